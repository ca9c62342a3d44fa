//! What the server has seen.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

#[derive(Debug, Default)]
pub struct Counters {
    pub streams: AtomicU64,
    pub open_streams: AtomicU64,
    pub broken_streams: AtomicU64,
    pub messages: AtomicU64,
    pub rows: AtomicU64,
    pub kernel_only: AtomicU64,
    pub kernel_logs: AtomicU64,
    pub without_logs: AtomicU64,
    pub unattributed: AtomicU64,
    pub invalid_records: AtomicU64,
    pub denied: AtomicU64,
    pub limited_connections: AtomicU64,
    pub limited_calls: AtomicU64,
    pub dropped_processes: AtomicU64,
}

/// Counters since the start, in messages where nothing else is said.
/// `messages = rows + kernel_only + without_logs + unattributed + invalid_records`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IngestStats {
    pub streams: u64,
    pub open_streams: u64,
    /// Ended by their sender or the network before they were complete.
    pub broken_streams: u64,
    pub messages: u64,
    pub rows: u64,
    /// What connections do besides exchanges: figures of their services, and no row of `rows`.
    pub kernel_only: u64,
    /// The logs in `kernel_only` messages of agents that are not rover's.
    pub kernel_logs: u64,
    /// A node's description or a connection alone.
    pub without_logs: u64,
    /// An exchange or kernel logs before any connection was told.
    pub unattributed: u64,
    /// A record of rover's own form that is not one.
    pub invalid_records: u64,
    /// Calls without the right token.
    pub denied: u64,
    /// Closed at once: their peer opens too many.
    pub limited_connections: u64,
    /// Refused because of their peer: it calls too often, or too often with a wrong token.
    pub limited_calls: u64,
    /// Process reports that nobody took in time.
    pub dropped_processes: u64,
    /// Rows in the queue.
    pub waiting_rows: u64,
}

impl Counters {
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn snapshot(&self, waiting_rows: u64) -> IngestStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IngestStats {
            streams: read(&self.streams),
            open_streams: read(&self.open_streams),
            broken_streams: read(&self.broken_streams),
            messages: read(&self.messages),
            rows: read(&self.rows),
            kernel_only: read(&self.kernel_only),
            kernel_logs: read(&self.kernel_logs),
            without_logs: read(&self.without_logs),
            unattributed: read(&self.unattributed),
            invalid_records: read(&self.invalid_records),
            denied: read(&self.denied),
            limited_connections: read(&self.limited_connections),
            limited_calls: read(&self.limited_calls),
            dropped_processes: read(&self.dropped_processes),
            waiting_rows,
        }
    }
}
