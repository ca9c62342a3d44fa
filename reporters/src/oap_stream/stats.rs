//! What became of the records: every one that was pushed is held, acknowledged, withheld or dropped under a cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Why a record did not reach the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// No room: the backend is away or too slow. The newest record goes.
    QueueFull,
    /// Sent on two streams, answered on neither.
    Failed,
    /// As before, the token being refused.
    Denied,
    /// Still held when the reporter was stopped.
    Unsent,
}

impl Drop {
    const ALL: [(Drop, &'static str); 4] = [
        (Drop::QueueFull, "report_queue_full"),
        (Drop::Failed, "report_failed"),
        (Drop::Denied, "report_denied"),
        (Drop::Unsent, "report_unsent"),
    ];
}

/// What the engine's thread counts. Plain numbers: it owns them, and counters in one cache line with the sender's would
/// cost more than the encoding of a small record.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushCounters {
    pub pushed: u64,
    pub withheld: u64,
    pub kernel_only: u64,
    pub activities: u64,
    pub merged_calls: u64,
    pub refused: u64,
}

/// What the sender counts.
#[derive(Debug, Default)]
pub struct Counters {
    pub sent: AtomicU64,
    pub resent: AtomicU64,
    pub acked: AtomicU64,
    pub withheld: AtomicU64,
    pub bytes: AtomicU64,
    pub connects: AtomicU64,
    pub streams: AtomicU64,
    dropped: [AtomicU64; Drop::ALL.len()],
    state: Mutex<LinkState>,
}

#[derive(Clone, Debug, Default)]
struct LinkState {
    backend: Option<String>,
    last_error: Option<String>,
}

impl Counters {
    pub fn drop_records(&self, cause: Drop, records: u64) {
        if let Some(slot) = self.dropped.get(cause as usize) {
            slot.fetch_add(records, Ordering::Relaxed);
        }
    }

    pub fn set_backend(&self, backend: Option<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).backend = backend;
    }

    pub fn set_error(&self, error: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error);
    }

    /// A consistent enough picture: counters are read one by one.
    pub fn snapshot(&self, pushes: PushCounters, held: (usize, u64)) -> OapStats {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = |cause| if cause == Drop::QueueFull { pushes.refused } else { 0 };
        let dropped = Drop::ALL.iter().zip(&self.dropped);
        let dropped = dropped.map(|((cause, name), count)| (*name, read(count) + refused(*cause)));
        let connects = read(&self.connects);
        OapStats {
            pushed: pushes.pushed,
            sent: read(&self.sent),
            resent: read(&self.resent),
            acked: read(&self.acked),
            withheld: pushes.withheld + read(&self.withheld),
            kernel_only: pushes.kernel_only,
            activities: pushes.activities,
            merged_calls: pushes.merged_calls,
            dropped: dropped.filter(|(_, count)| *count > 0).collect(),
            held_records: held.1,
            held_bytes: held.0 as u64,
            bytes: read(&self.bytes),
            streams: read(&self.streams),
            reconnects: connects.saturating_sub(1),
            backend: state.backend,
            last_error: state.last_error,
        }
    }
}

/// State of one reporter, counted in records and activities alike where nothing else is said.
/// `pushed = acked + withheld + Σ dropped + held_records`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OapStats {
    pub pushed: u64,
    /// Given to a stream, each record once.
    pub sent: u64,
    /// Given to a second stream, because the first failed.
    pub resent: u64,
    /// Their stream was closed with OK.
    pub acked: u64,
    /// Without a form that OAP could take (unfinished ones, for instance).
    pub withheld: u64,
    /// Of `pushed`: sent without a protocol log, because request or response is missing.
    pub kernel_only: u64,
    /// Of `pushed`: what connections do besides exchanges.
    pub activities: u64,
    /// Operations that share a log with others, so that OAP counts fewer calls than there were.
    pub merged_calls: u64,
    /// Lost, by cause.
    pub dropped: BTreeMap<&'static str, u64>,
    pub held_records: u64,
    pub held_bytes: u64,
    /// Of messages, sent.
    pub bytes: u64,
    pub streams: u64,
    pub reconnects: u64,
    /// Address that records go to at the moment.
    pub backend: Option<String>,
    pub last_error: Option<String>,
}
