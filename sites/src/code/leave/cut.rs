//! From each return backwards to the nearest place that will do.

use std::collections::{BTreeMap, HashSet};

use iced_x86::{InstructionInfoFactory, Register};

use super::super::{Function, Step};
use super::condition::{condition, Condition};
use super::flow::{self, Flow, Value};
use super::{Failing, LeaveSite, Spot, SpotPlace, Told, Wanted};

/// For each return: the places that cover all ways to it, or, where one of them has none, the return itself.
pub(super) fn cut(function: &Function, flow: &Flow, wanted: Wanted) -> Vec<LeaveSite> {
    let mut sites = BTreeMap::new();
    for at in super::returns(function) {
        let mut search = Search {
            function,
            flow,
            wanted,
            factory: InstructionInfoFactory::new(),
            seen: HashSet::new(),
            sites: BTreeMap::new(),
            has_silent_way: false,
        };
        match search.ways_to(at) {
            // Only failures return here: dear as it is, it is not passed by what matters.
            Ok(()) if search.has_silent_way && search.sites.values().all(is_failure) => {
                sites.insert(at, LeaveSite { step: at, told: Told::Failed, is_last: true });
            }
            // What tells a result comes before what only tells a failure.
            Ok(()) => search.sites.into_iter().for_each(|(at, site)| {
                let known = sites.entry(at).or_insert(site);
                if is_failure(known) {
                    *known = site;
                }
            }),
            Err(NoPlace) => {
                let told = Told::Result(Spot::register(Register::RAX, wanted.bytes));
                sites.insert(at, LeaveSite { step: at, told, is_last: true });
            }
        }
    }
    without_needless(function, sites.into_values().collect())
}

/// A place that is only reached through others that end the call would tell the same once more.
fn without_needless(function: &Function, mut sites: Vec<LeaveSite>) -> Vec<LeaveSite> {
    for index in (0..sites.len()).rev() {
        let Some(site) = sites.get(index).copied() else { continue };
        let ends: HashSet<usize> =
            sites.iter().filter(|other| other.step != site.step && ends(other)).map(|other| other.step).collect();
        if !is_reached(function, site.step, &ends) {
            sites.remove(index);
        }
    }
    sites
}

fn is_failure(site: &LeaveSite) -> bool {
    matches!(site.told, Told::FailedIf(..) | Told::Failed)
}

fn ends(site: &LeaveSite) -> bool {
    site.is_last && !matches!(site.told, Told::FailedIf(..))
}

/// Whether a way leads from the entry to the step without passing any of the others.
fn is_reached(function: &Function, target: usize, others: &HashSet<usize>) -> bool {
    let mut open = vec![function.entry];
    let mut seen = HashSet::new();
    while let Some(at) = open.pop() {
        if at == target {
            return true;
        }
        if !others.contains(&at) && seen.insert(at) {
            open.extend(function.successors(at));
        }
    }
    false
}

/// On some way the result comes after the last instruction that the kernel emulates.
struct NoPlace;

struct Search<'a> {
    function: &'a Function,
    flow: &'a Flow,
    wanted: Wanted,
    factory: InstructionInfoFactory,
    seen: HashSet<(usize, Spot)>,
    sites: BTreeMap<usize, LeaveSite>,
    /// Some way to the return is a failure that no place tells.
    has_silent_way: bool,
}

/// One step of one way back.
struct Way {
    at: usize,
    /// The step that was come from: the one that follows on this way.
    to: Option<usize>,
    /// Where the result is behind the step on this way. On others it may be elsewhere.
    after: Value,
}

impl Search<'_> {
    fn ways_to(&mut self, at: usize) -> Result<(), NoPlace> {
        let mut open = vec![Way { at, to: None, after: Value::Unreached }];
        while let Some(way) = open.pop() {
            self.step(way, &mut open)?;
        }
        Ok(())
    }

    fn step(&mut self, way: Way, open: &mut Vec<Way>) -> Result<(), NoPlace> {
        let Way { at, to, after } = way;
        let step = self.function.steps.get(at).ok_or(NoPlace)?;
        if let Some((told, is_last)) = self.maybe_site(at, step) {
            self.sites.insert(at, LeaveSite { step: at, told, is_last });
            return Ok(());
        }
        if let Some((spot, failing)) = self.failing(step, to, after) {
            match failing {
                Some(failing) => self.add_failure(at, step, Told::FailedIf(spot, failing)),
                None => self.has_silent_way = true,
            }
            return Ok(());
        }
        let before = flow::before(&mut self.factory, step, after, self.wanted);
        match before {
            Value::Known(spot) if at != self.function.entry => {
                if self.seen.insert((at, spot)) {
                    open.extend(step.from.iter().map(|&from| Way { at: from, to: Some(at), after: before }));
                }
                Ok(())
            }
            Value::Failure if !self.wanted.is_zero_success => {
                self.failed(at, step);
                Ok(())
            }
            _ => Err(NoPlace),
        }
    }

    fn maybe_site(&self, at: usize, step: &Step) -> Option<(Told, bool)> {
        if !step.is_emulated || step.depth.is_none() {
            return None;
        }
        if let (Value::Known(spot), false) = (self.flow.value(at), self.flow.is_busy(at)) {
            return Some((Told::Result(spot), true));
        }
        if self.wanted.is_zero_success {
            return None;
        }
        maybe_conditional(self.function, self.flow, step)
    }

    /// A jump that goes this way only if the result is not above 0: the result that it looks at.
    fn failing(&self, step: &Step, way: Option<usize>, after: Value) -> Option<(Spot, Option<Failing>)> {
        let (Value::Known(spot), Some(condition)) = (after, condition(self.function, step)) else { return None };
        let [falls_through, jumps] = condition.may_be_positive;
        let may_be_positive = (step.next == way && falls_through) || (step.branch == way && jumps);
        let is_failing = !self.wanted.is_zero_success && is_of(&condition, spot) && !may_be_positive;
        // Whatever way is gone on from there must end with it.
        let is_certain = match way.map(|way| self.flow.value(way)) {
            Some(Value::Known(known)) => is_of(&condition, known),
            Some(Value::Failure) => true,
            _ => false,
        };
        let failing = condition.failing.filter(|_| is_certain);
        is_failing.then_some((Spot { bytes: condition.bytes, ..spot }, failing))
    }

    /// Before the constant that is a failure: the nearest places from which it cannot be but a failure. There may be
    /// none, and then such a way tells nothing.
    fn failed(&mut self, at: usize, step: &Step) {
        let mut open = step.from.clone();
        self.has_silent_way |= open.is_empty();
        let mut seen = HashSet::from([at]);
        while let Some(at) = open.pop() {
            let Some(step) = self.function.steps.get(at) else { continue };
            if !seen.insert(at) {
                continue;
            }
            if self.flow.value(at) != Value::Failure {
                self.has_silent_way |= !self.sites.contains_key(&at);
                continue;
            }
            if step.is_emulated && step.depth.is_some() {
                self.add_failure(at, step, Told::Failed);
            } else {
                open.extend(&step.from);
            }
        }
    }

    fn add_failure(&mut self, at: usize, step: &Step, told: Told) {
        if step.is_emulated && step.depth.is_some() {
            self.sites.entry(at).or_insert(LeaveSite { step: at, told, is_last: true });
        }
    }
}

/// A jump on the sign of the result: where it may be above 0 the result must be known, elsewhere nothing need be.
fn maybe_conditional(function: &Function, flow: &Flow, step: &Step) -> Option<(Told, bool)> {
    let condition = condition(function, step)?;
    let mut told = None;
    let mut is_last = true;
    for (way, may_be_positive) in [step.next?, step.branch?].into_iter().zip(condition.may_be_positive) {
        let value = flow.value(way);
        if may_be_positive {
            let this = match value {
                Value::Unreached => continue,
                _ if flow.is_busy(way) => return None,
                Value::Known(spot) => on_positive_way(&condition, spot)?,
                Value::Failure | Value::Mixed => return None,
            };
            if told.is_some_and(|told| told != this) {
                return None;
            }
            told = Some(this);
        } else {
            is_last &= match value {
                Value::Unreached | Value::Failure => true,
                Value::Known(spot) => is_of(&condition, spot),
                Value::Mixed => false,
            };
        }
    }
    Some((told?, is_last))
}

fn on_positive_way(condition: &Condition, spot: Spot) -> Option<Told> {
    if spot.plus.is_some() {
        return None;
    }
    match spot.place {
        SpotPlace::Register(register) if condition.is_of(register) => {
            Some(Told::Result(Spot { bytes: condition.bytes, ..spot }))
        }
        SpotPlace::Stack(count) => Some(Told::OnStack { test: condition.tested()?, count }),
        SpotPlace::Register(_) => None,
    }
}

fn is_of(condition: &Condition, spot: Spot) -> bool {
    spot.plus.is_none() && matches!(spot.place, SpotPlace::Register(register) if condition.is_of(register))
}
