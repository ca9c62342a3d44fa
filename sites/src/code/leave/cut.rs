//! From each return backwards to the nearest place that will do.

use std::collections::{BTreeMap, HashSet};

use iced_x86::InstructionInfoFactory;

use super::super::{Function, Step};
use super::condition::{condition, Condition};
use super::flow::{self, is_call, Flow, Value};
use super::{LeaveSite, NoLeave, Spot, SpotPlace, Told};

pub(super) fn cut(function: &Function, flow: &Flow, result_bytes: u8) -> Result<Vec<LeaveSite>, NoLeave> {
    let mut search = Search {
        function,
        flow,
        result_bytes,
        factory: InstructionInfoFactory::new(),
        seen: HashSet::new(),
        sites: BTreeMap::new(),
    };
    let mut open: Vec<Way> = super::returns(function).map(|at| Way { at, to: None, after: Value::Unreached }).collect();
    if open.is_empty() && super::tails(function).next().is_none() {
        return Err(NoLeave::NoReturn);
    }
    while let Some(way) = open.pop() {
        search.step(way, &mut open)?;
    }
    Ok(search.sites.into_values().collect())
}

struct Search<'a> {
    function: &'a Function,
    flow: &'a Flow,
    result_bytes: u8,
    factory: InstructionInfoFactory,
    seen: HashSet<(usize, Spot)>,
    sites: BTreeMap<usize, LeaveSite>,
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
    fn step(&mut self, way: Way, open: &mut Vec<Way>) -> Result<(), NoLeave> {
        let Way { at, to, after } = way;
        let step = self.function.steps.get(at).ok_or(NoLeave::Unknown)?;
        if let Some((told, is_last)) = maybe_site(self.function, self.flow, at, step) {
            self.sites.insert(at, LeaveSite { step: at, told, is_last });
            return Ok(());
        }
        if self.is_failing_way(step, to, after) {
            return Ok(());
        }
        let before = flow::before(&mut self.factory, step, after, self.result_bytes);
        match before {
            Value::Known(spot) if at != self.function.entry => {
                if self.seen.insert((at, spot)) {
                    open.extend(step.from.iter().map(|&from| Way { at: from, to: Some(at), after: before }));
                }
                Ok(())
            }
            // It may pass no site at all: what never had bytes need not tell so.
            Value::Failure => Ok(()),
            _ => Err(NoLeave::ResultComesLater),
        }
    }

    /// A jump that goes this way only if the result is not above 0.
    fn is_failing_way(&self, step: &Step, way: Option<usize>, after: Value) -> bool {
        let (Value::Known(spot), Some(condition)) = (after, condition(self.function, step)) else { return false };
        let [falls_through, jumps] = condition.may_be_positive;
        let may_be_positive = (step.next == way && falls_through) || (step.branch == way && jumps);
        is_of(&condition, spot) && !may_be_positive
    }
}

fn maybe_site(function: &Function, flow: &Flow, at: usize, step: &Step) -> Option<(Told, bool)> {
    if !step.is_emulated || is_call(&step.instruction) || step.depth.is_none() {
        return None;
    }
    if let (Value::Known(spot), false) = (flow.value(at), flow.is_busy(at)) {
        return Some((Told::Result(spot), true));
    }
    maybe_conditional(function, flow, step)
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
    match spot.place {
        SpotPlace::Register(register) if condition.is_of(register) => {
            Some(Told::Result(Spot { bytes: condition.bytes, ..spot }))
        }
        SpotPlace::Stack(count) => Some(Told::OnStack { test: condition.tested()?, count }),
        SpotPlace::Register(_) => None,
    }
}

fn is_of(condition: &Condition, spot: Spot) -> bool {
    matches!(spot.place, SpotPlace::Register(register) if condition.is_of(register))
}
