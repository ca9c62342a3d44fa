//! The cheapest place at the beginning of a function at which its arguments are still in argument registers.

use iced_x86::{FlowControl, InstructionInfoFactory, Register};

use super::registers::{writes, C_ARGUMENTS};
use super::{register_copy, Function, Step};

pub(crate) struct Enter {
    pub step: usize,
    /// The kernel emulates the instruction.
    pub is_emulated: bool,
    /// Where the wanted arguments are there, in the order in which they were asked for.
    pub places: Vec<Register>,
}

/// The first emulated instruction that every call passes exactly once, before the first branch and before any of the
/// wanted registers is lost; else the entry, at the price of a single step.
pub(crate) fn enter(function: &Function, wanted: &[Register]) -> Enter {
    let (step, places) = cheap(function, wanted).unwrap_or_else(|| (function.entry, wanted.to_vec()));
    let is_emulated = function.steps.get(step).is_some_and(|step| step.is_emulated);
    Enter { step, is_emulated, places }
}

fn cheap(function: &Function, wanted: &[Register]) -> Option<(usize, Vec<Register>)> {
    let mut factory = InstructionInfoFactory::new();
    let mut held: Vec<Held> = wanted.iter().map(|&register| Held { place: register, copy: None }).collect();
    let mut at = function.entry;
    // Straight-line code cannot be longer than the function.
    for _ in 0..function.steps.len() {
        let step = function.steps.get(at)?;
        if !is_on_one_way(function, at, step) {
            return None;
        }
        if step.is_emulated {
            return Some((at, held.iter().map(|held| held.place).collect()));
        }
        if step.instruction.flow_control() != FlowControl::Next {
            return None;
        }
        let copy = register_copy(&step.instruction).filter(|(to, _, bytes)| *bytes == 8 && C_ARGUMENTS.contains(to));
        for held in &mut held {
            held.follow(copy.map(|(to, from, _)| (to, from)), |register| {
                writes(&mut factory, &step.instruction, register)
            })?;
        }
        at = step.next?;
    }
    None
}

/// A wanted argument on its way: some functions only move their arguments along and jump to another.
struct Held {
    place: Register,
    copy: Option<Register>,
}

impl Held {
    /// None when an instruction takes the argument away.
    fn follow(
        &mut self,
        copy: Option<(Register, Register)>,
        mut is_written: impl FnMut(Register) -> bool,
    ) -> Option<()> {
        if self.copy.is_some_and(&mut is_written) {
            self.copy = None;
        }
        if let Some((to, from)) = copy {
            if from == self.place && to != from {
                self.copy = Some(to);
                return Some(());
            }
        }
        if is_written(self.place) {
            self.place = self.copy.take()?;
        }
        Some(())
    }
}

/// Nothing jumps to it: not a loop's head, which would fire once per turn. A jump to the entry is a new call, or Go's
/// second try after it has grown the stack.
fn is_on_one_way(function: &Function, at: usize, step: &Step) -> bool {
    at == function.entry || step.from.len() == 1
}
