//! Functions by the errors that they report: library, reason, line, and the file whose name they hand over.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code as Opcode, FlowControl, OpKind, Register};

use crate::code::{Code, Function, Step};

/// The arguments of one call stand so close together.
const LONGEST_CALL: usize = 8;
/// Functions that name a file; ssl_lib.cc has about 60.
const MOST_CULPRITS: usize = 512;

pub(super) struct Culprit {
    pub start: u64,
    pub function: Function,
    /// Reason and line.
    pub errors: BTreeSet<(u32, u32)>,
}

impl Culprit {
    pub fn has(&self, reasons: &[u32]) -> bool {
        reasons.iter().all(|reason| self.errors.iter().any(|(given, _)| given == reason))
    }

    pub fn first_line(&self) -> Option<u32> {
        self.errors.iter().map(|(_, line)| *line).min()
    }
}

/// The functions that report errors of the library and name the file at this address.
pub(super) fn errors_of(code: &Code, file: u64, library: u32) -> Vec<Culprit> {
    let starts = code.image.function_starts();
    let mut culprits: BTreeMap<u64, u64> = BTreeMap::new();
    for reference in code.image.references_to(file) {
        let after = starts.partition_point(|&start| start <= reference);
        let start = after.checked_sub(1).and_then(|at| starts.get(at));
        let (Some(&start), Some(&end)) = (start, starts.get(after)) else { continue };
        culprits.insert(start, end);
        if culprits.len() >= MOST_CULPRITS {
            break;
        }
    }
    let culprit = |(start, end): (u64, u64)| {
        let function = Function::decode(code, start, end - start)?;
        let errors = errors(&function, file, library);
        (!errors.is_empty()).then_some(Culprit { start, function, errors })
    };
    culprits.into_iter().filter_map(culprit).collect()
}

fn errors(function: &Function, file: u64, library: u32) -> BTreeSet<(u32, u32)> {
    let mut errors = BTreeSet::new();
    for (at, step) in function.steps.iter().enumerate() {
        let names_file = step.instruction.code() == Opcode::Lea_r64_m
            && step.instruction.op0_register() == Register::RCX
            && step.instruction.is_ip_rel_memory_operand()
            && step.instruction.ip_rel_memory_address() == file;
        if !names_file {
            continue;
        }
        let steps = neighbours(function, at);
        let value = |register| steps.iter().rev().find_map(|step| constant(step, register));
        if let (Some(given), Some(reason), Some(line)) =
            (value(Register::EDI), value(Register::EDX), value(Register::R8D))
        {
            if given == library {
                errors.insert((reason, line));
            }
        }
    }
    errors
}

/// The instructions of the same call: from behind the call, jump or return before to the call.
fn neighbours(function: &Function, at: usize) -> Vec<&Step> {
    let is_plain = |step: &&Step| step.instruction.flow_control() == FlowControl::Next;
    let before = function.steps.get(..at).unwrap_or_default().iter().rev().take(LONGEST_CALL).take_while(is_plain);
    let behind = function.steps.get(at..).unwrap_or_default().iter().take(LONGEST_CALL).take_while(is_plain);
    let mut steps: Vec<&Step> = before.collect();
    steps.reverse();
    steps.extend(behind);
    steps
}

fn constant(step: &Step, register: Register) -> Option<u32> {
    let instruction = &step.instruction;
    let is_it = instruction.code() == Opcode::Mov_r32_imm32
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == register;
    is_it.then(|| instruction.immediate32())
}
