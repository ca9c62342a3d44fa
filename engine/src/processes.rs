//! The processes that come into view: confirmed ones have an identity, of excluded ones nothing is kept, and records
//! of those in between are held, bounded in number and time.

use std::sync::Arc;

use rover_reporters::by_service::ByService;
use rover_reporters::record::Identity;
use rustc_hash::FxHashMap;

use crate::report::Report;
use serde::{Deserialize, Serialize};

/// How long records wait for the confirmation of their process: on a machine without a free CPU the control plane takes
/// seconds. What waits is bounded by number.
const CONFIRM_NS: u64 = 60_000_000_000;
/// After this the control plane is asked again: the question or the answer may have been lost.
const ASK_AGAIN_NS: u64 = 5_000_000_000;
/// How long a record waits for the name of a process at its other end; then it is told without.
const PEER_NS: u64 = 2_500_000_000;
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

impl Verdict {
    fn service(&self) -> Option<&str> {
        match self {
            Verdict::Watched(identity) => identity.as_ref()?.service.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Process {
    verdict: Verdict,
    since_ns: u64,
    ended_ns: Option<u64>,
    asked_ns: u64,
    /// Those of its records that have passed, and how many of them are in the account already.
    operations: u64,
    charged: u64,
    /// Its own records.
    held: Vec<Passing>,
    /// Records of others, who have this process at their other end: all they wait for is its name.
    awaiting: Vec<Passing>,
}

/// A record on its way out.
#[derive(Debug)]
pub struct Passing {
    pub report: Report,
    /// The operations that it accounts for.
    pub operations: u64,
    /// The process of this node at the other end, if it was not decided on yet.
    pub peer: Option<u32>,
}

impl Passing {
    fn is_activity(&self) -> bool {
        matches!(self.report, Report::Activity(_))
    }
}

/// What to do with a record of a process.
#[derive(Debug)]
pub enum Gate {
    Pass(Passing),
    Held,
    Excluded,
    /// The bound of held records is reached.
    Overflow,
}

/// Records set free, and operations of records discarded because the process is excluded.
#[derive(Debug, Default)]
pub struct Settled {
    pub released: Vec<Passing>,
    pub discarded: u64,
}

/// What one process has been measured at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Busy {
    pub pid: u32,
    pub service: Option<String>,
    pub operations: u64,
}

/// Table of all processes that the engine has heard of.
#[derive(Debug)]
pub struct Processes {
    table: FxHashMap<u32, Process>,
    /// Each of the two kinds that wait has a bound of its own: what waits for no more than a name must not take the room of
    /// what is lost without it.
    held: usize,
    awaiting: usize,
    most_held: usize,
    /// Records whose other end will not get a name any more.
    nameless: Vec<Passing>,
    charges: ByService<u64>,
    lost_activities: u64,
}

impl Processes {
    pub fn new(most_held: usize) -> Processes {
        Processes {
            table: FxHashMap::default(),
            held: 0,
            awaiting: 0,
            most_held,
            nameless: Vec::new(),
            charges: ByService::default(),
            lost_activities: 0,
        }
    }

    /// What connections did that is told to nobody, because their process was not decided on in time or too much was held.
    /// Apart from the ledger, which counts operations: these account for none.
    pub fn lost_activities(&self) -> u64 {
        self.lost_activities
    }

    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Operations of all records that wait.
    pub fn held_operations(&self) -> u64 {
        let waiting = |process: &Process| -> u64 {
            process.held.iter().chain(&process.awaiting).map(|passing| passing.operations).sum()
        };
        self.table.values().map(waiting).sum()
    }

    /// A process was seen for the first time or became another program: it has to be confirmed. Returns the
    /// operations of records that can no longer be: their process is gone and its pid is used again.
    pub fn begin(&mut self, pid: u32, now_ns: u64) -> u64 {
        let process = self.table.entry(pid).or_default();
        let mut discarded = 0;
        // An end that lies after this begin is its own: told before it, it stands.
        if process.ended_ns.take_if(|ended_ns| *ended_ns <= now_ns).is_some() {
            self.held -= process.held.len();
            discarded = discard(&mut process.held, &mut self.lost_activities);
            // They met the process that had the pid before.
            self.awaiting -= process.awaiting.len();
            self.nameless.append(&mut process.awaiting);
        }
        charge(&mut self.charges, process);
        (process.operations, process.charged) = (0, 0);
        process.verdict = Verdict::Pending;
        process.since_ns = now_ns;
        process.asked_ns = now_ns;
        discarded
    }

    /// It has ended. One that is not known is remembered all the same: its begin may be told later, and nothing would ever
    /// tell that it is over.
    pub fn end(&mut self, pid: u32, now_ns: u64) {
        let unknown = || Process { since_ns: now_ns, asked_ns: now_ns, ..Process::default() };
        self.table.entry(pid).or_insert_with(unknown).ended_ns = Some(now_ns);
    }

    /// It does not run any more, and its end was not told: the event was lost. Not the one that has the pid since
    /// `listed_ns`, when those that run were listed. Returns whether it had not ended for all that was known.
    pub fn end_unseen(&mut self, pid: u32, listed_ns: u64) -> bool {
        let is_missing = |process: &&mut Process| process.ended_ns.is_none() && process.since_ns <= listed_ns;
        let Some(process) = self.table.get_mut(&pid).filter(is_missing) else {
            return false;
        };
        process.ended_ns = Some(listed_ns);
        true
    }

    /// It has ended, some time ago or not.
    pub fn has_ended(&self, pid: u32) -> bool {
        self.table.get(&pid).is_none_or(|process| process.ended_ns.is_some())
    }

    pub fn is_known(&self, pid: u32) -> bool {
        self.table.contains_key(&pid)
    }

    /// Whether the last decision was that nothing of it is kept.
    pub fn is_excluded(&self, pid: u32) -> bool {
        self.table.get(&pid).is_some_and(|process| matches!(process.verdict, Verdict::Excluded))
    }

    /// Whether it has been the same program since that time.
    pub fn is_same_since(&self, pid: u32, at_ns: u64) -> bool {
        self.table.get(&pid).is_some_and(|process| process.since_ns <= at_ns)
    }

    /// Who it is, once confirmed.
    pub fn maybe_identity(&self, pid: u32) -> Option<Arc<Identity>> {
        match &self.table.get(&pid)?.verdict {
            Verdict::Watched(identity) => identity.clone(),
            _ => None,
        }
    }

    /// Whether it is not decided on yet.
    pub fn is_pending(&self, pid: u32) -> bool {
        self.table.get(&pid).is_some_and(|process| matches!(process.verdict, Verdict::Pending))
    }

    /// The record of one whose own process is decided on: `Some` when it need not wait for its other end's name.
    pub fn maybe_complete(&mut self, mut passing: Passing) -> Option<Passing> {
        let Some(process) = passing.peer.and_then(|peer| self.table.get_mut(&peer)) else {
            return Some(passing);
        };
        match &process.verdict {
            Verdict::Pending if self.awaiting < self.most_held => {
                self.awaiting += 1;
                process.awaiting.push(passing);
                None
            }
            Verdict::Watched(Some(identity)) => {
                passing.report.ends_mut().1.identity = Some(Arc::clone(identity));
                Some(passing)
            }
            _ => Some(passing),
        }
    }

    /// Records whose wait for a name has ended without one.
    pub fn take_nameless(&mut self) -> Vec<Passing> {
        std::mem::take(&mut self.nameless)
    }

    /// Decides over a record of `pid`; one that passes gets its identity.
    pub fn gate(&mut self, pid: u32, mut passing: Passing) -> Gate {
        let Some(process) = self.table.get_mut(&pid) else {
            self.lost_activities += u64::from(passing.is_activity());
            return Gate::Overflow;
        };
        match &process.verdict {
            Verdict::Watched(identity) => {
                passing.report.ends_mut().0.identity.clone_from(identity);
                process.operations += passing.operations;
                Gate::Pass(passing)
            }
            Verdict::Excluded => Gate::Excluded,
            Verdict::Pending if self.held >= self.most_held => {
                self.lost_activities += u64::from(passing.is_activity());
                Gate::Overflow
            }
            Verdict::Pending => {
                self.held += 1;
                process.held.push(passing);
                Gate::Held
            }
        }
    }

    /// The decision of the control plane; none if the process has become another program since, or is forgotten already:
    /// an entry made here would stay, for its end is past.
    pub fn confirm(&mut self, decision: Decision) -> Option<Settled> {
        let identity = decision.identity.map(Arc::new);
        let process = self.table.get_mut(&decision.pid)?;
        if decision.since_ns < process.since_ns {
            return None;
        }
        let held = std::mem::take(&mut process.held);
        let mut awaiting = std::mem::take(&mut process.awaiting);
        self.held -= held.len();
        self.awaiting -= awaiting.len();
        for passing in &mut awaiting {
            passing.peer = None;
            if decision.is_watched && identity.is_some() {
                passing.report.ends_mut().1.identity.clone_from(&identity);
            }
        }
        if !decision.is_watched {
            process.verdict = Verdict::Excluded;
            return Some(Settled {
                released: awaiting,
                discarded: held.iter().map(|passing| passing.operations).sum(),
            });
        }
        process.verdict = Verdict::Watched(identity.clone());
        let mut released = held;
        for passing in &mut released {
            process.operations += passing.operations;
            passing.report.ends_mut().0.identity.clone_from(&identity);
        }
        released.append(&mut awaiting);
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

    /// Records that wait for a decision or a name.
    pub fn held(&self) -> usize {
        self.held + self.awaiting
    }

    /// Operations measured, by service, so far.
    pub fn charges(&mut self) -> &ByService<u64> {
        for process in self.table.values_mut() {
            charge(&mut self.charges, process);
        }
        &self.charges
    }

    /// The processes with the most operations, most first.
    pub fn busiest(&self, most: usize) -> Vec<Busy> {
        let mut busy: Vec<(&u32, &Process)> = self.table.iter().filter(|(_, process)| process.operations > 0).collect();
        busy.sort_unstable_by_key(|(pid, process)| (std::cmp::Reverse(process.operations), **pid));
        busy.truncate(most);
        let told = |(pid, process): (&u32, &Process)| Busy {
            pid: *pid,
            service: process.verdict.service().map(str::to_owned),
            operations: process.operations,
        };
        busy.into_iter().map(told).collect()
    }

    /// Forgets the dead, and discards what waited too long. `is_final`: nobody will confirm any more.
    pub fn sweep(&mut self, now_ns: u64, is_final: bool) -> u64 {
        let mut discarded = 0;
        let (held, awaiting, charges) = (&mut self.held, &mut self.awaiting, &mut self.charges);
        let lost_activities = &mut self.lost_activities;
        self.table.retain(|_, process| {
            let is_overdue = is_final || now_ns.saturating_sub(process.since_ns) > CONFIRM_NS;
            if is_overdue && !process.held.is_empty() {
                *held -= process.held.len();
                discarded += discard(&mut process.held, lost_activities);
            }
            if !process.awaiting.is_empty() && (is_final || now_ns.saturating_sub(process.since_ns) > PEER_NS) {
                *awaiting -= process.awaiting.len();
                self.nameless.append(&mut process.awaiting);
            }
            // What it has to tell may outlive it: a decision that comes late is still a decision.
            let is_kept = !process.held.is_empty()
                || !process.awaiting.is_empty()
                || process.ended_ns.is_none_or(|ended| now_ns.saturating_sub(ended) < AFTERLIFE_NS);
            if !is_kept {
                charge(charges, process);
            }
            is_kept
        });
        discarded
    }
}

/// Gives up records that nobody decided on; the operations that they account for.
fn discard(held: &mut Vec<Passing>, lost_activities: &mut u64) -> u64 {
    *lost_activities += held.iter().filter(|passing| passing.is_activity()).count() as u64;
    held.drain(..).map(|passing| passing.operations).sum()
}

/// Takes what has come since the last time into the account.
fn charge(charges: &mut ByService<u64>, process: &mut Process) {
    let operations = process.operations - process.charged;
    if operations > 0 {
        charges.change(process.verdict.service(), |sum| *sum += operations);
        process.charged = process.operations;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rover_reporters::samples;

    const OWN: u32 = 10;
    const PEER: u32 = 20;

    fn passing() -> Passing {
        Passing { report: Report::Exchange(Box::new(samples::unknown())), operations: 2, peer: Some(PEER) }
    }

    fn decision(pid: u32, service: Option<&str>) -> Decision {
        let named = |service: &str| Identity { service: Some(service.to_owned()), ..Identity::default() };
        Decision { pid, is_watched: service.is_some(), identity: service.map(named), since_ns: 1 }
    }

    fn services(mut passing: Passing) -> [Option<String>; 2] {
        let (local, remote) = passing.report.ends_mut();
        [local, remote].map(|end| end.identity.as_ref().and_then(|identity| identity.service.clone()))
    }

    fn passed(processes: &mut Processes) -> Passing {
        match processes.gate(OWN, passing()) {
            Gate::Pass(passing) => Some(passing),
            _ => None,
        }
        .unwrap()
    }

    fn both_begun() -> Processes {
        let mut processes = Processes::new(10);
        processes.begin(OWN, 1);
        processes.begin(PEER, 1);
        processes
    }

    #[test]
    fn a_record_waits_for_the_name_of_its_other_end() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        let own = passed(&mut processes);
        assert!(processes.maybe_complete(own).is_none());
        assert_eq!(processes.held_operations(), 2);
        let mut released = processes.confirm(decision(PEER, Some("web"))).unwrap().released;
        let named = processes.maybe_complete(released.remove(0)).unwrap();
        assert_eq!(services(named).map(Option::unwrap), ["shop", "web"]);
        assert_eq!((released.len(), processes.held_operations(), processes.held()), (0, 0, 0));
    }

    #[test]
    fn an_excluded_other_end_has_no_name_and_holds_nothing_up() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        let own = passed(&mut processes);
        assert!(processes.maybe_complete(own).is_none());
        let settled = processes.confirm(decision(PEER, None)).unwrap();
        assert_eq!((settled.released.len(), settled.discarded), (1, 0));
        assert_eq!(settled.released.into_iter().map(services).next().unwrap(), [Some("shop".to_owned()), None]);
    }

    #[test]
    fn the_wait_for_the_other_end_is_bounded_and_loses_nothing() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        let own = passed(&mut processes);
        assert!(processes.maybe_complete(own).is_none());
        assert_eq!((processes.sweep(PEER_NS, false), processes.take_nameless().len()), (0, 0));
        assert_eq!((processes.sweep(PEER_NS + 2, false), processes.take_nameless().len()), (0, 1));
        assert_eq!(processes.held(), 0);
    }

    #[test]
    fn who_takes_over_the_pid_of_the_other_end_does_not_lend_its_name() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        let own = passed(&mut processes);
        assert!(processes.maybe_complete(own).is_none());
        processes.end(PEER, 2);
        assert_eq!(processes.begin(PEER, 3), 0);
        let nameless = processes.take_nameless();
        assert_eq!(nameless.into_iter().map(services).next().unwrap(), [Some("shop".to_owned()), None]);
    }

    #[test]
    fn beyond_the_bound_records_pass_without_the_name() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        for number in 0..12 {
            let own = passed(&mut processes);
            assert_eq!(processes.maybe_complete(own).is_some(), number >= 10);
        }
    }

    /// Passes or is held; not lost.
    fn is_kept(processes: &mut Processes, pid: u32) -> bool {
        !matches!(processes.gate(pid, passing()), Gate::Overflow)
    }

    #[test]
    fn records_that_wait_for_a_name_take_no_room_from_those_that_wait_for_a_decision() {
        let mut processes = both_begun();
        processes.confirm(decision(OWN, Some("shop"))).unwrap();
        for _ in 0..10 {
            let own = passed(&mut processes);
            assert!(processes.maybe_complete(own).is_none());
        }
        assert!((0..10).all(|_| is_kept(&mut processes, PEER)));
        assert!(!is_kept(&mut processes, PEER), "the bound of its own kind holds");
        assert_eq!(processes.held(), 20);
        let settled = processes.confirm(decision(PEER, Some("web"))).unwrap();
        assert_eq!((settled.released.len(), settled.discarded, processes.held()), (20, 0, 0));
    }

    #[test]
    fn the_end_of_a_process_neither_loses_nor_forgets_what_is_held_for_it() {
        let mut processes = both_begun();
        assert!(is_kept(&mut processes, OWN));
        processes.end(OWN, 2);
        assert_eq!(processes.sweep(AFTERLIFE_NS + 3, false), 0);
        assert_eq!((processes.held(), processes.held_operations()), (1, 2), "still there, and in the account");
        let settled = processes.confirm(decision(OWN, Some("shop"))).unwrap();
        assert_eq!(settled.released.len(), 1);
        processes.sweep(AFTERLIFE_NS + 4, false);
        assert!(!processes.is_known(OWN));
    }

    #[test]
    fn what_nobody_decides_on_is_discarded_and_counted() {
        let mut processes = both_begun();
        assert!(is_kept(&mut processes, OWN));
        processes.end(OWN, 2);
        assert_eq!(processes.sweep(CONFIRM_NS + 2, false), 2);
        assert_eq!((processes.held(), processes.is_known(OWN)), (0, false));
    }

    #[test]
    fn a_decision_on_a_process_that_is_not_known_makes_no_entry() {
        let mut processes = Processes::new(10);
        assert!(processes.confirm(decision(OWN, Some("shop"))).is_none());
        assert_eq!((processes.count(), processes.is_known(OWN)), (0, false));
    }

    #[test]
    fn a_begin_that_is_told_after_its_own_end_is_decided_on_and_forgotten() {
        let mut processes = Processes::new(10);
        processes.end(OWN, 5);
        processes.begin(OWN, 4);
        assert!(processes.has_ended(OWN));
        assert!(is_kept(&mut processes, OWN));
        let settled = processes.confirm(Decision { since_ns: 4, ..decision(OWN, Some("shop")) }).unwrap();
        assert_eq!(settled.released.len(), 1);
        processes.sweep(AFTERLIFE_NS + 6, false);
        assert_eq!(processes.count(), 0);
    }

    #[test]
    fn a_begin_that_lies_after_the_end_is_another_process_and_stays() {
        let mut processes = Processes::new(10);
        processes.end(OWN, 5);
        processes.begin(OWN, 6);
        assert!(!processes.has_ended(OWN));
        processes.sweep(AFTERLIFE_NS + 7, false);
        assert!(processes.is_known(OWN));
    }

    #[test]
    fn who_is_no_longer_listed_has_ended_unless_the_pid_was_taken_since() {
        let mut processes = Processes::new(10);
        processes.begin(OWN, 1);
        processes.begin(PEER, 8);
        assert!(processes.end_unseen(OWN, 7));
        assert!(!processes.end_unseen(OWN, 7), "its end is known by now");
        assert!(!processes.end_unseen(PEER, 7), "it began after the list was made");
        assert!(!processes.end_unseen(30, 7), "nobody");
        processes.sweep(AFTERLIFE_NS + 8, false);
        assert_eq!((processes.is_known(OWN), processes.is_known(PEER), processes.count()), (false, true, 1));
    }

    fn activity() -> Passing {
        Passing { report: Report::Activity(Box::new(samples::activity())), operations: 0, peer: None }
    }

    #[test]
    fn what_connections_did_is_counted_where_too_much_is_held_for_their_process() {
        let mut processes = Processes::new(1);
        assert!(matches!(processes.gate(OWN, activity()), Gate::Overflow));
        assert_eq!(processes.lost_activities(), 1, "of a process that is not known");
        processes.begin(OWN, 1);
        assert!(matches!(processes.gate(OWN, activity()), Gate::Held));
        assert!(matches!(processes.gate(OWN, activity()), Gate::Overflow));
        assert!(matches!(processes.gate(OWN, passing()), Gate::Overflow));
        assert_eq!(processes.lost_activities(), 2, "exchanges are in the ledger");
        assert_eq!(processes.sweep(CONFIRM_NS + 2, false), 0);
        assert_eq!(processes.lost_activities(), 3, "held in vain");
    }

    #[test]
    fn what_was_held_for_the_holder_of_a_pid_before_is_counted() {
        let mut processes = Processes::new(10);
        processes.begin(OWN, 1);
        assert!(matches!(processes.gate(OWN, activity()), Gate::Held));
        processes.end(OWN, 2);
        assert_eq!((processes.begin(OWN, 3), processes.lost_activities()), (0, 1));
    }

    #[test]
    fn what_connections_of_an_excluded_process_did_is_no_loss() {
        let mut processes = Processes::new(10);
        processes.begin(OWN, 1);
        assert!(matches!(processes.gate(OWN, activity()), Gate::Held));
        processes.confirm(decision(OWN, None)).unwrap();
        assert!(matches!(processes.gate(OWN, activity()), Gate::Excluded));
        assert_eq!(processes.lost_activities(), 0);
    }
}
