//! What became of the records: every one that was pushed, or found on disk, is held, spooled, acknowledged, withheld or
//! dropped under a cause. All of it changes under one lock, so that the account balances at every moment.

use std::collections::BTreeMap;

use crate::spool::Losses;

/// Why a record did not reach the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Fails alone on a stream again and again, while others pass.
    Failed,
    /// Still held when the reporter was stopped.
    Unsent,
    /// The spool has reached its bound. The oldest go.
    SpoolFull,
    /// Older than the spool keeps.
    SpoolExpired,
    /// The disk did not take them and memory was full. The oldest go.
    SpoolFailed,
    /// Damaged on disk.
    SpoolCorrupt,
}

/// No room: the backend is away or too slow. The newest record goes; the engine's thread counts it.
const REFUSED: &str = "report_queue_full";

const NAMES: [&str; 6] =
    ["report_failed", "report_unsent", "spool_full", "spool_expired", "spool_failed", "spool_corrupt"];

/// The account without what was pushed and refused, which the engine's thread counts for itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub acked: u64,
    pub withheld: u64,
    pub held: u64,
    pub spooled: u64,
    /// Found on disk when the reporter was started.
    pub recovered: u64,
    dropped: [u64; NAMES.len()],
}

impl Account {
    pub fn drop_records(&mut self, cause: Drop, records: u64) {
        if let Some(slot) = self.dropped.get_mut(cause as usize) {
            *slot += records;
        }
    }

    /// Records that the spool gave up.
    pub fn lose_spooled(&mut self, losses: Losses) {
        let causes = [
            (Drop::SpoolFull, losses.full),
            (Drop::SpoolExpired, losses.expired),
            (Drop::SpoolCorrupt, losses.corrupt),
        ];
        for (cause, records) in causes {
            self.spooled = self.spooled.saturating_sub(records);
            self.drop_records(cause, records);
        }
    }

    /// Losses by the name of their cause, with `refused` of the engine's thread.
    pub fn dropped(&self, refused: u64) -> BTreeMap<&'static str, u64> {
        let mut dropped: BTreeMap<_, _> = NAMES.into_iter().zip(self.dropped).collect();
        dropped.insert(REFUSED, refused);
        dropped.retain(|_, count| *count > 0);
        dropped
    }
}
