//! The processes that come into view: confirmed ones have an identity, of excluded ones nothing is kept, and records
//! of those in between are held, bounded in number and time.

use std::sync::Arc;

use rover_reporters::record::Identity;
use rustc_hash::FxHashMap;

use crate::report::Report;
use serde::{Deserialize, Serialize};

/// How long records wait for the confirmation of their process: on a machine without a free CPU the control plane takes
/// seconds. What waits is bounded by number.
const CONFIRM_NS: u64 = 60_000_000_000;
/// After this the control plane is asked again: the question or the answer may have been lost.
const ASK_AGAIN_NS: u64 = 5_000_000_000;
/// How long a process is remembered after its end: its last records and the peers' may still come.
const AFTERLIFE_NS: u64 = 30_000_000_000;

/// A change in the life of a process, for the control plane to decide on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessChange {
    /// `fork`, `exec` or `exit`.
    pub change: &'static str,
    pub pid: u32,
    pub parent: u32,
    pub time_ns: u64,
    pub uid: u32,
    pub comm: String,
    /// As given to execve; empty after fork.
    pub executable: String,
    /// argv, possibly cut.
    pub arguments: Vec<String>,
}

/// The control plane's decision over a process, about the program that it became at `since_ns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub pid: u32,
    pub is_watched: bool,
    pub identity: Option<Identity>,
    pub since_ns: u64,
}

/// What the rules say of a process.
#[derive(Clone, Debug, Default)]
enum Verdict {
    #[default]
    Pending,
    Watched(Option<Arc<Identity>>),
    Excluded,
}

#[derive(Debug, Default)]
struct Process {
    verdict: Verdict,
    since_ns: u64,
    ended_ns: Option<u64>,
    asked_ns: u64,
    /// Records with the operations they account for.
    held: Vec<(Report, u64)>,
}

/// What to do with a record of a process.
#[derive(Debug)]
pub enum Gate {
    Pass(Report),
    Held,
    Excluded,
    /// The bound of held records is reached.
    Overflow,
}

/// Records set free, and operations of records discarded.
#[derive(Debug, Default)]
pub struct Settled {
    pub released: Vec<(Report, u64)>,
    pub discarded: u64,
}

/// Table of all processes that the engine has heard of.
#[derive(Debug)]
pub struct Processes {
    table: FxHashMap<u32, Process>,
    held: usize,
    most_held: usize,
}

impl Processes {
    pub fn new(most_held: usize) -> Processes {
        Processes { table: FxHashMap::default(), held: 0, most_held }
    }

    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Operations of all records that wait.
    pub fn held_operations(&self) -> u64 {
        self.table.values().flat_map(|process| &process.held).map(|(_, operations)| operations).sum()
    }

    /// A process was seen for the first time or became another program: it has to be confirmed. Returns the
    /// operations of records that can no longer be: their process is gone and its pid is used again.
    pub fn begin(&mut self, pid: u32, now_ns: u64) -> u64 {
        let process = self.table.entry(pid).or_default();
        let mut discarded = 0;
        if process.ended_ns.take().is_some() {
            self.held -= process.held.len();
            discarded = process.held.drain(..).map(|(_, operations)| operations).sum();
        }
        process.verdict = Verdict::Pending;
        process.since_ns = now_ns;
        process.asked_ns = now_ns;
        discarded
    }

    pub fn end(&mut self, pid: u32, now_ns: u64) {
        if let Some(process) = self.table.get_mut(&pid) {
            process.ended_ns = Some(now_ns);
        }
    }

    pub fn is_known(&self, pid: u32) -> bool {
        self.table.contains_key(&pid)
    }

    /// Whether the last decision was that nothing of it is kept.
    pub fn is_excluded(&self, pid: u32) -> bool {
        self.table.get(&pid).is_some_and(|process| matches!(process.verdict, Verdict::Excluded))
    }

    /// Who it is, once confirmed.
    pub fn maybe_identity(&self, pid: u32) -> Option<Arc<Identity>> {
        match &self.table.get(&pid)?.verdict {
            Verdict::Watched(identity) => identity.clone(),
            _ => None,
        }
    }

    /// Decides over a record of `pid`; one that passes gets its identity.
    pub fn gate(&mut self, pid: u32, mut report: Report, operations: u64) -> Gate {
        let Some(process) = self.table.get_mut(&pid) else {
            return Gate::Overflow;
        };
        match &process.verdict {
            Verdict::Watched(identity) => {
                report.ends_mut().0.identity.clone_from(identity);
                Gate::Pass(report)
            }
            Verdict::Excluded => Gate::Excluded,
            Verdict::Pending if self.held >= self.most_held => Gate::Overflow,
            Verdict::Pending => {
                self.held += 1;
                process.held.push((report, operations));
                Gate::Held
            }
        }
    }

    /// The decision of the control plane; none if the process has become another program since.
    pub fn confirm(&mut self, decision: Decision) -> Option<Settled> {
        let identity = decision.identity.map(Arc::new);
        let process = self.table.entry(decision.pid).or_default();
        if decision.since_ns < process.since_ns {
            return None;
        }
        let held = std::mem::take(&mut process.held);
        self.held -= held.len();
        if !decision.is_watched {
            process.verdict = Verdict::Excluded;
            return Some(Settled {
                released: Vec::new(),
                discarded: held.iter().map(|(_, operations)| operations).sum(),
            });
        }
        process.verdict = Verdict::Watched(identity.clone());
        let mut released = held;
        for (report, _) in &mut released {
            report.ends_mut().0.identity.clone_from(&identity);
        }
        Some(Settled { released, discarded: 0 })
    }

    /// Processes with records that wait, of which nothing was heard for a while: to be asked about again, each with the time
    /// since when it is the program that it is.
    pub fn take_unanswered(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        let is_due = |process: &Process| {
            matches!(process.verdict, Verdict::Pending)
                && !process.held.is_empty()
                && now_ns.saturating_sub(process.asked_ns) > ASK_AGAIN_NS
        };
        let due = self.table.iter_mut().filter(|(_, process)| is_due(process));
        due.map(|(pid, process)| {
            process.asked_ns = now_ns;
            (*pid, process.since_ns)
        })
        .collect()
    }

    /// Forgets the dead, and discards what waited too long. `is_final`: nobody will confirm any more.
    pub fn sweep(&mut self, now_ns: u64, is_final: bool) -> u64 {
        let mut discarded = 0;
        let mut dropped = 0;
        self.table.retain(|_, process| {
            let is_overdue = is_final || now_ns.saturating_sub(process.since_ns) > CONFIRM_NS;
            if is_overdue && !process.held.is_empty() {
                dropped += process.held.len();
                discarded += process.held.drain(..).map(|(_, operations)| operations).sum::<u64>();
            }
            process.ended_ns.is_none_or(|ended| now_ns.saturating_sub(ended) < AFTERLIFE_NS)
        });
        self.held -= dropped;
        discarded
    }
}
