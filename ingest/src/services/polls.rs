//! What agents poll for and rover's backend never has: profiling tasks and policies.

use rover_reporters::proto::v3;
use rover_reporters::proto::v3::continuous_profiling_service_server::ContinuousProfilingService;
use rover_reporters::proto::v3::ebpf_profiling_service_server::EbpfProfilingService;
use tonic::{Request, Response, Status};

#[derive(Clone, Copy, Debug)]
pub struct Polls;

#[tonic::async_trait]
impl EbpfProfilingService for Polls {
    async fn query_tasks(&self, _: Request<v3::EbpfProfilingTaskQuery>) -> Result<Response<v3::Commands>, Status> {
        Ok(Response::new(v3::Commands::default()))
    }
}

#[tonic::async_trait]
impl ContinuousProfilingService for Polls {
    async fn query_policies(
        &self,
        _: Request<v3::ContinuousProfilingPolicyQuery>,
    ) -> Result<Response<v3::Commands>, Status> {
        Ok(Response::new(v3::Commands::default()))
    }
}
