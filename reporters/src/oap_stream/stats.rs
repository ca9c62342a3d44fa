//! Counters beside the account: of the stream, of its link, and of what the engine's thread does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::Shared;

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
    pub bytes: AtomicU64,
    pub connects: AtomicU64,
    pub streams: AtomicU64,
    state: Mutex<LinkState>,
}

#[derive(Clone, Debug, Default)]
struct LinkState {
    backend: Option<String>,
    last_error: Option<String>,
}

impl Counters {
    pub fn set_backend(&self, backend: Option<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).backend = backend;
    }

    pub fn set_error(&self, error: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error);
    }

    fn link(&self) -> LinkState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All there is to tell. `open`: bytes and records of the batch at hand.
pub fn snapshot(shared: &Shared, pushes: PushCounters, open: (usize, u64)) -> OapStats {
    let (counters, link) = (&shared.counters, shared.counters.link());
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let state = shared.queue.lock();
    OapStats {
        pushed: pushes.pushed,
        recovered: state.account.recovered,
        sent: read(&counters.sent),
        resent: read(&counters.resent),
        acked: state.account.acked,
        withheld: pushes.withheld + state.account.withheld,
        kernel_only: pushes.kernel_only,
        activities: pushes.activities,
        merged_calls: pushes.merged_calls,
        dropped: state.account.dropped(pushes.refused),
        held_records: state.account.held + open.1,
        held_bytes: (shared.queue.held_bytes() + open.0) as u64,
        spooled_records: state.account.spooled,
        spooled_bytes: state.spooling.bytes,
        spool_torn: state.spooling.torn,
        spool_damaged: state.spooling.damaged,
        spool_error: state.spooling.error.clone(),
        bytes: read(&counters.bytes),
        streams: read(&counters.streams),
        reconnects: read(&counters.connects).saturating_sub(1),
        away_seconds: state.away_since.map(|since| since.elapsed().as_secs_f64()),
        backend: link.backend,
        last_error: link.last_error,
    }
}

/// How a reporter is connected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkStats {
    /// Address that records go to; `None`: nowhere at the moment.
    pub backend: Option<String>,
    /// How long the sender has been trying to reach a backend; `None` when it has one.
    pub away_seconds: Option<f64>,
    pub last_error: Option<String>,
    pub spooled_records: u64,
    /// Why the spool cannot be used at the moment.
    pub spool_error: Option<String>,
}

pub fn link(shared: &Shared) -> LinkStats {
    let link = shared.counters.link();
    let state = shared.queue.lock();
    LinkStats {
        backend: link.backend,
        away_seconds: state.away_since.map(|since| since.elapsed().as_secs_f64()),
        last_error: link.last_error,
        spooled_records: state.account.spooled,
        spool_error: state.spooling.error.clone(),
    }
}

/// State of one reporter, counted in records and activities alike where nothing else is said.
/// `pushed + recovered = acked + withheld + Σ dropped + held_records + spooled_records`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OapStats {
    pub pushed: u64,
    /// Found in the spool at the start.
    pub recovered: u64,
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
    /// In memory.
    pub held_records: u64,
    pub held_bytes: u64,
    /// On disk; those that are being sent from there too.
    pub spooled_records: u64,
    /// Of all files of the spool.
    pub spooled_bytes: u64,
    /// Segments that ended in an unfinished write, which was cut off.
    pub spool_torn: u64,
    /// Segments with damage, which were set aside.
    pub spool_damaged: u64,
    /// Why the spool cannot be used at the moment.
    pub spool_error: Option<String>,
    /// Of messages, sent.
    pub bytes: u64,
    pub streams: u64,
    pub reconnects: u64,
    /// How long the sender has been trying to reach a backend; `None` when it has one.
    pub away_seconds: Option<f64>,
    /// Address that records go to at the moment.
    pub backend: Option<String>,
    pub last_error: Option<String>,
}
