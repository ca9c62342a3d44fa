//! HPACK tables of connections that are older than rover, as the programs' own decoders have them.

use super::{tuple_of, Core};
use crate::event::ToldTable;
use crate::events::TableEvent;
use crate::tls::Request;

/// Requests that wait to be taken; what has no place is asked for again with its next event.
const REQUESTS: usize = 1024;
/// How often a process is asked for its tables; its decoders are probed for longer.
const ASK_EVERY_NS: u64 = 1_000_000_000;

impl Core {
    /// The table belongs to both ends of the connection: where the other one is on this node, it learns from it too.
    pub(super) fn table(&mut self, event: &TableEvent, told: &ToldTable<'_>) {
        self.now_ns = self.now_ns.max(event.time_ns);
        let direction = usize::from(event.direction);
        let other = self.maybe_other_end(event.cookie);
        for (id, direction) in [(Some(event.cookie), direction), (other, 1 - direction)] {
            if let Some(id) = id {
                self.with_connection(id, |connection, _| connection.tell_table(direction, told));
            }
        }
    }

    /// A block of the connection refers to entries that are not known: the processes at its ends may have them.
    pub(super) fn ask_for_tables(&mut self, id: u64) {
        for id in [Some(id), self.maybe_other_end(id)].into_iter().flatten() {
            let Some(tgid) = self.connections.get(&id).map(|connection| connection.owner) else {
                continue;
            };
            let is_due = self.tables_asked.get(&tgid).is_none_or(|ns| self.now_ns.saturating_sub(*ns) >= ASK_EVERY_NS);
            if is_due && self.tables_asked.len() < REQUESTS {
                self.tables_asked.insert(tgid, self.now_ns);
                self.request(Request::Tables(tgid));
            }
        }
    }

    /// Forgets who was asked long ago.
    pub(super) fn sweep_tables(&mut self) {
        let now_ns = self.now_ns;
        self.tables_asked.retain(|_, ns| now_ns.saturating_sub(*ns) < ASK_EVERY_NS);
    }

    fn maybe_other_end(&self, id: u64) -> Option<u64> {
        let (local, local_port, remote, remote_port) = tuple_of(self.connections.get(&id)?);
        self.tuples.get(&(remote, remote_port, local, local_port)).copied()
    }

    pub(super) fn request(&mut self, request: Request) {
        if self.requests.len() < REQUESTS && !self.requests.contains(&request) {
            self.requests.push(request);
        }
    }

    /// What is to be followed in processes, since the last call.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }
}
