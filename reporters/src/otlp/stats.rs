//! What became of the spans.

use std::collections::BTreeMap;

use serde::Serialize;

/// Every span that was pushed is held, acknowledged or lost under a cause. All of it changes under the lock of the queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub pushed: u64,
    pub held: u64,
    pub acked: u64,
    /// No room: the collector is away or too slow. The oldest went.
    pub full: u64,
    /// The collector takes none such.
    pub failed: u64,
    /// The collector took the others of the same request.
    pub rejected: u64,
    /// Still held when the reporter was stopped.
    pub unsent: u64,
}

/// What the sender tells besides.
#[derive(Clone, Debug, Default)]
pub struct Link {
    pub backend: Option<String>,
    pub last_error: Option<String>,
    pub away_since: Option<std::time::Instant>,
    pub requests: u64,
    pub retries: u64,
    pub bytes: u64,
    pub connects: u64,
    /// Requests with metrics, by what became of them.
    pub metrics_sent: u64,
    pub metrics_failed: u64,
}

/// State of one reporter. `pushed = acked + Σ dropped + held_records`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OtlpStats {
    pub pushed: u64,
    /// Taken by the collector.
    pub acked: u64,
    /// Of `records`, not reported: those that come again when they are finished.
    pub withheld: u64,
    /// Lost, by cause.
    pub dropped: BTreeMap<&'static str, u64>,
    pub held_records: u64,
    pub held_bytes: u64,
    pub requests: u64,
    pub retries: u64,
    /// Of requests, before compression.
    pub bytes: u64,
    pub reconnects: u64,
    pub metrics_sent: u64,
    pub metrics_failed: u64,
    /// Durations in the series of those above the limit of series.
    pub metrics_overflowed: u64,
    /// How long the collector has not been reached; `None` when it was at the last attempt.
    pub away_seconds: Option<f64>,
    /// Address that spans go to at the moment.
    pub backend: Option<String>,
    pub last_error: Option<String>,
}

impl Account {
    pub fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let causes = [
            ("report_queue_full", self.full),
            ("report_failed", self.failed),
            ("report_rejected", self.rejected),
            ("report_unsent", self.unsent),
        ];
        causes.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}
