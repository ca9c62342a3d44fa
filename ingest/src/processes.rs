//! Processes that agents report, kept until the control plane takes them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rover_reporters::proto::v3;
use rover_reporters::proto::v3::ebpf_process_properties::Metadata;
use serde::Serialize;
use serde_json::{Map, Value};

/// Reports that wait; beyond it the oldest goes. Ten times the processes of a busy node.
const MOST: usize = 4096;

/// One reported process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// What the agent was answered.
    pub id: String,
    pub agent_id: String,
    pub pid: i32,
    pub is_kubernetes: bool,
    pub layer: String,
    pub service: String,
    pub instance: String,
    pub process: String,
    pub labels: Vec<String>,
    pub properties: Map<String, Value>,
}

/// Reports in the order of their arrival.
#[derive(Debug, Default)]
pub struct Processes {
    waiting: Mutex<VecDeque<Process>>,
}

impl Processes {
    /// `false`: an older one had to go for it.
    pub fn add(&self, process: Process) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(process);
        waiting.len() <= MOST || waiting.pop_front().is_none()
    }

    pub fn take(&self) -> Vec<Process> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// A report's entry and the answer to it; `None` for an entry that names no process.
pub fn read(reported: v3::EbpfProcessProperties, agent_id: &str) -> Option<(Process, v3::EbpfProcessDownstream)> {
    use v3::ebpf_process_downstream::Process as Answer;

    let (is_kubernetes, entity, pid, properties) = match reported.metadata? {
        Metadata::HostProcess(host) => (false, host.entity, host.pid, host.properties),
        Metadata::K8sProcess(pod) => (true, pod.entity, pod.pid, pod.properties),
    };
    let entity = entity.unwrap_or_default();
    let id = process_id(agent_id, &entity, pid);
    let entity_metadata = Some(entity.clone());
    let answer = if is_kubernetes {
        Answer::K8sProcess(v3::EbpfKubernetesProcessDownstream { pid, entity_metadata })
    } else {
        Answer::HostProcess(v3::EbpfHostProcessDownstream { pid, entity_metadata })
    };
    let process = Process {
        id: id.clone(),
        agent_id: agent_id.to_owned(),
        pid,
        is_kubernetes,
        layer: entity.layer,
        service: entity.service_name,
        instance: entity.instance_name,
        process: entity.process_name,
        labels: entity.labels,
        properties: properties.into_iter().map(|pair| (pair.key, Value::String(pair.value))).collect(),
    };
    Some((process, v3::EbpfProcessDownstream { process_id: id, process: Some(answer) }))
}

/// The same for the same process of the same agent, 16 hex digits: FNV-1a, which no release of the compiler changes.
fn process_id(agent_id: &str, entity: &v3::EbpfProcessEntityMetadata, pid: i32) -> String {
    let pid = pid.to_string();
    let parts = [agent_id, &entity.layer, &entity.service_name, &entity.instance_name, &entity.process_name, &pid];
    let hash = parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
