//! `EBPFProcessService`: registration and heartbeat of processes. Its answer tells agents of rover who is here.

use std::sync::Arc;

use rover_reporters::oap_stream::ROVER_BACKEND;
use rover_reporters::proto::v3;
use rover_reporters::proto::v3::ebpf_process_service_server::EbpfProcessService;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::processes::{self, Processes};
use crate::stats::Counters;

#[derive(Clone, Debug)]
pub struct Process {
    pub processes: Arc<Processes>,
    pub counters: Arc<Counters>,
    pub announces: bool,
}

#[tonic::async_trait]
impl EbpfProcessService for Process {
    async fn report_processes(
        &self,
        request: Request<v3::EbpfProcessReportList>,
    ) -> Result<Response<v3::EbpfReportProcessDownstream>, Status> {
        let list = request.into_inner();
        let mut answers = Vec::with_capacity(list.processes.len());
        for reported in list.processes {
            let Some((process, answer)) = processes::read(reported, &list.ebpf_agent_id) else { continue };
            if !self.processes.add(process) {
                Counters::add(&self.counters.dropped_processes);
            }
            answers.push(answer);
        }
        let mut response = Response::new(v3::EbpfReportProcessDownstream { processes: answers });
        if self.announces {
            response.metadata_mut().insert(ROVER_BACKEND, MetadataValue::from_static("1"));
        }
        Ok(response)
    }

    async fn keep_alive(&self, _: Request<v3::EbpfProcessPingPkgList>) -> Result<Response<v3::Commands>, Status> {
        Ok(Response::new(v3::Commands::default()))
    }
}
