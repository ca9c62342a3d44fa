//! A function as a graph of instructions.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code as Opcode, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

use super::cost::is_emulated;
use super::registers::{writes, C_ARGUMENTS};
use super::{register_copy, table, Code, INSTRUCTION_BYTES};

/// No function that is of interest is larger; the largest met (`ssl3_write_bytes`, `tls.(*Conn).Read`) have about 1000.
const MOST_STEPS: usize = 6000;

/// So many instructions before an indirect jump are looked at for its table and the bound of it.
const LONGEST_TABLE_CODE: usize = 24;

pub(crate) struct Function {
    /// By address.
    pub steps: Vec<Step>,
    /// Index of the first instruction.
    pub entry: usize,
}

/// One instruction and its place in the graph. Indexes are of `Function::steps`.
pub(crate) struct Step {
    pub instruction: Instruction,
    pub is_emulated: bool,
    pub next: Option<usize>,
    pub branch: Option<usize>,
    /// Where a jump table leads.
    pub table: Vec<usize>,
    pub from: Vec<usize>,
    pub exit: Option<Exit>,
    /// Bytes on the stack above the return address when the instruction begins.
    pub depth: Option<i32>,
    /// The same for the place that rbp points to, if it is a frame pointer.
    pub base: Option<i32>,
}

/// How a path ends at an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Return,
    /// The last act is a jump to another function, which returns to our caller.
    Tail(u64),
    TailIndirect,
    /// A call that does not come back, a trap.
    Never,
    /// Nobody knows: a jump table, code that does not decode, too much code.
    Unknown,
}

/// What is known of the stack before an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stack {
    depth: Option<i32>,
    base: Option<i32>,
}

impl Stack {
    fn meet(self, other: Stack) -> Stack {
        Stack {
            depth: self.depth.filter(|_| self.depth == other.depth),
            base: self.base.filter(|_| self.base == other.base),
        }
    }
}

struct Draft {
    instruction: Instruction,
    is_emulated: bool,
    stack: Stack,
    next: Option<u64>,
    branch: Option<u64>,
    table: Vec<u64>,
    exit: Option<Exit>,
}

impl Function {
    /// Follows the code from its start. `size` is what the symbol says, 0 if nothing does.
    pub fn decode(code: &Code, start: u64, size: u64) -> Option<Function> {
        let end = if size == 0 { None } else { start.checked_add(size) };
        let mut walk = Walk { code, start, end, drafts: BTreeMap::new(), factory: InstructionInfoFactory::new() };
        walk.follow();
        walk.finish()
    }

    /// Address of the first instruction.
    pub fn start(&self) -> u64 {
        self.steps.get(self.entry).map_or(0, |step| step.instruction.ip())
    }

    /// Whether every way through it is known.
    pub fn is_understood(&self) -> bool {
        self.steps.iter().all(|step| step.exit != Some(Exit::Unknown))
    }

    pub fn successors(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.steps
            .get(index)
            .into_iter()
            .flat_map(|step| step.next.into_iter().chain(step.branch).chain(step.table.iter().copied()))
    }

    /// Whether it stores anything but constants anywhere but on its own stack.
    pub fn stores_elsewhere(&self) -> bool {
        let mut factory = InstructionInfoFactory::new();
        self.steps.iter().any(|step| {
            let writes = factory.info(&step.instruction).used_memory().iter().any(|used| {
                matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite)
                    && !matches!(used.base(), Register::RSP | Register::RBP)
            });
            writes && step.instruction.op0_kind() == OpKind::Memory && step.instruction.op1_kind() == OpKind::Register
        })
    }

    /// Whether it is a function of so many arguments that hands them on: where it calls through a pointer, all but the
    /// first one are in their registers still, and it does not do so in a loop.
    pub fn hands_on_arguments(&self, count: usize) -> bool {
        let is_indirect = |step: &&Step| step.instruction.flow_control() == FlowControl::IndirectCall;
        let calls: Vec<&Step> = self.steps.iter().filter(is_indirect).collect();
        let is_short = C_ARGUMENTS.get(count).is_some_and(|&next| !self.uses(next));
        is_short && !calls.is_empty() && calls.iter().any(|call| self.is_handed_on(call, count))
    }

    fn is_handed_on(&self, call: &Step, count: usize) -> bool {
        let mut factory = InstructionInfoFactory::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = call.from.clone();
        while let Some(at) = open.pop() {
            let Some(step) = self.steps.get(at) else { return false };
            let instruction = &step.instruction;
            if matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall) {
                return false;
            }
            // An int is made a size_t in its place.
            let is_extended = instruction.code() == Opcode::Movsxd_r64_rm32
                && instruction.op0_register() == instruction.op1_register().full_register();
            let mut registers = C_ARGUMENTS.iter().take(count).skip(1);
            if !is_extended && registers.any(|&register| writes(&mut factory, instruction, register)) {
                return false;
            }
            if seen.insert(at) {
                open.extend(&step.from);
            }
        }
        true
    }

    /// Whether the value that the register has at the entry is read.
    fn uses(&self, register: Register) -> bool {
        let mut factory = InstructionInfoFactory::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![self.entry];
        while let Some(at) = open.pop() {
            let Some(step) = self.steps.get(at).filter(|_| seen.insert(at)) else { continue };
            let is_read = factory.info(&step.instruction).used_registers().iter().any(|used| {
                used.register().full_register() == register
                    && !matches!(used.access(), OpAccess::Write | OpAccess::None | OpAccess::NoMemAccess)
            });
            if is_read {
                return true;
            }
            let is_call = matches!(step.instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
            if !is_call && !writes(&mut factory, &step.instruction, register) {
                open.extend(self.successors(at));
            }
        }
        false
    }

    /// Calls with a fixed target, in order of address.
    pub fn direct_calls(&self) -> impl Iterator<Item = u64> + '_ {
        self.steps
            .iter()
            .filter(|step| step.instruction.code() == Opcode::Call_rel32_64)
            .map(|step| step.instruction.near_branch_target())
    }
}

struct Walk<'a, 'b> {
    code: &'a Code<'b>,
    start: u64,
    end: Option<u64>,
    drafts: BTreeMap<u64, Draft>,
    factory: InstructionInfoFactory,
}

impl Walk<'_, '_> {
    fn follow(&mut self) {
        let mut open = vec![(self.start, Stack { depth: Some(0), base: None })];
        while let Some((address, stack)) = open.pop() {
            if let Some(known) = self.drafts.get_mut(&address) {
                let met = known.stack.meet(stack);
                if met == known.stack {
                    continue;
                }
                known.stack = met;
            } else if self.drafts.len() >= MOST_STEPS || !self.decode_at(address, stack) {
                continue;
            }
            let Some((ways, after)) = self.lead_on(address) else { continue };
            open.extend(ways.into_iter().map(|way| (way, after)));
        }
    }

    fn decode_at(&mut self, address: u64, stack: Stack) -> bool {
        let Some(instruction) = self.code.instruction(address) else { return false };
        let bytes = self.code.bytes::<INSTRUCTION_BYTES>(address).unwrap_or_default();
        let is_emulated = is_emulated(&bytes, instruction.len());
        self.drafts.insert(
            address,
            Draft { instruction, is_emulated, stack, next: None, branch: None, table: Vec::new(), exit: None },
        );
        true
    }

    /// Sets where the instruction leads, and says so, with the stack as it is there.
    fn lead_on(&mut self, address: u64) -> Option<(Vec<u64>, Stack)> {
        let draft = self.drafts.get(&address)?;
        let (instruction, stack) = (draft.instruction, draft.stack);
        let target = instruction.near_branch_target();
        let following = instruction.next_ip();
        let mut table = Vec::new();
        let (next, branch, exit) = match instruction.flow_control() {
            FlowControl::Next => (Some(following), None, None),
            FlowControl::Return => (None, None, Some(Exit::Return)),
            FlowControl::UnconditionalBranch if self.is_tail(target, stack) => {
                let exit = if self.code.is_never_returning(target) { Exit::Never } else { Exit::Tail(target) };
                (None, None, Some(exit))
            }
            FlowControl::UnconditionalBranch => (None, Some(target), None),
            // A conditional jump out of the function at depth 0 is a tail call too; it is rare, and not followed.
            FlowControl::ConditionalBranch if self.code.is_never_returning(target) => (Some(following), None, None),
            FlowControl::ConditionalBranch => (Some(following), Some(target), None),
            FlowControl::IndirectBranch if self.is_table(&instruction, &mut table) => (None, None, None),
            FlowControl::IndirectBranch if stack.depth == Some(0) => (None, None, Some(Exit::TailIndirect)),
            FlowControl::Call if self.code.is_never_returning(target) => (None, None, Some(Exit::Never)),
            // Behind the last call of a function that never returns stands another function, or padding.
            FlowControl::Call | FlowControl::IndirectCall if Some(following) == self.end => {
                (None, None, Some(Exit::Never))
            }
            FlowControl::Call | FlowControl::IndirectCall => (Some(following), None, None),
            FlowControl::Exception | FlowControl::Interrupt => (None, None, Some(Exit::Never)),
            FlowControl::IndirectBranch | FlowControl::XbeginXabortXend => (None, None, Some(Exit::Unknown)),
        };
        let after = self.stack_after(&instruction, stack);
        let draft = self.drafts.get_mut(&address)?;
        let ways = next.into_iter().chain(branch).chain(table.iter().copied()).collect();
        (draft.next, draft.branch, draft.exit, draft.table) = (next, branch, exit, table);
        Some((ways, after))
    }

    fn is_table(&self, jump: &Instruction, targets: &mut Vec<u64>) -> bool {
        let mut before = Vec::new();
        let mut at = jump.ip();
        while let Some((_, draft)) = self.drafts.range(..at).next_back() {
            if draft.instruction.next_ip() != at || before.len() >= LONGEST_TABLE_CODE {
                break;
            }
            at = draft.instruction.ip();
            before.push(draft.instruction);
        }
        match table::targets(self.code, jump, &before) {
            Some(found) => {
                *targets = found;
                true
            }
            None => false,
        }
    }

    /// With nothing on the stack, a jump out of what the symbol covers (or, without symbol, to before it) is a tail
    /// call. With something on the stack it leads to the function's cold part.
    fn is_tail(&self, target: u64, stack: Stack) -> bool {
        let is_inside = match self.end {
            Some(end) => (self.start..end).contains(&target),
            None => target >= self.start && self.drafts.contains_key(&target),
        };
        !is_inside && stack.depth == Some(0)
    }

    fn stack_after(&mut self, instruction: &Instruction, stack: Stack) -> Stack {
        let moved =
            |depth: Option<i32>, by: i64| depth.and_then(|depth| i32::try_from(i64::from(depth).checked_add(by)?).ok());
        let mut after = stack;
        match instruction.code() {
            Opcode::Leaveq => return Stack { depth: moved(stack.base, -8), base: None },
            Opcode::Call_rel32_64 | Opcode::Call_rm64 => return stack,
            _ => {}
        }
        if writes(&mut self.factory, instruction, Register::RBP) {
            after.base = match register_copy(instruction) {
                Some((Register::RBP, Register::RSP, 8)) => stack.depth,
                _ if is_lea_of_rsp(instruction, Register::RBP) => {
                    moved(stack.depth, (instruction.memory_displacement64().cast_signed()).wrapping_neg())
                }
                _ => None,
            };
        }
        if writes(&mut self.factory, instruction, Register::RSP) {
            after.depth = match (instruction.code(), register_copy(instruction)) {
                (_, Some((Register::RSP, Register::RBP, 8))) => stack.base,
                (Opcode::Sub_rm64_imm8 | Opcode::Sub_rm64_imm32, _) => {
                    moved(stack.depth, instruction.immediate(1).cast_signed())
                }
                (Opcode::Add_rm64_imm8 | Opcode::Add_rm64_imm32, _) => {
                    moved(stack.depth, instruction.immediate(1).cast_signed().wrapping_neg())
                }
                (Opcode::Lea_r64_m, _) if is_lea_of_rsp(instruction, Register::RSP) => {
                    moved(stack.depth, instruction.memory_displacement64().cast_signed().wrapping_neg())
                }
                (Opcode::Lea_r64_m, _) if is_lea_of(instruction, Register::RSP, Register::RBP) => {
                    moved(stack.base, instruction.memory_displacement64().cast_signed().wrapping_neg())
                }
                _ if instruction.is_stack_instruction() => {
                    moved(stack.depth, -i64::from(instruction.stack_pointer_increment()))
                }
                _ => None,
            };
        }
        after
    }

    fn finish(self) -> Option<Function> {
        let index: BTreeMap<u64, usize> = self.drafts.keys().enumerate().map(|(at, &address)| (address, at)).collect();
        let entry = *index.get(&self.start)?;
        let is_whole = self.drafts.len() < MOST_STEPS;
        let mut steps: Vec<Step> = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts.into_values() {
            let next = draft.next.and_then(|at| index.get(&at).copied());
            let branch = draft.branch.and_then(|at| index.get(&at).copied());
            let table: Vec<usize> = draft.table.iter().filter_map(|at| index.get(at).copied()).collect();
            let is_lost = (draft.next.is_some() && next.is_none())
                || (draft.branch.is_some() && branch.is_none())
                || draft.table.len() != table.len();
            let exit = match draft.exit {
                None if is_lost || !is_whole => Some(Exit::Unknown),
                exit => exit,
            };
            let Stack { depth, base } = draft.stack;
            let (instruction, is_emulated) = (draft.instruction, draft.is_emulated);
            steps.push(Step { instruction, is_emulated, next, branch, table, from: Vec::new(), exit, depth, base });
        }
        for at in 0..steps.len() {
            let ways: BTreeSet<usize> = match steps.get(at) {
                Some(step) => step.next.into_iter().chain(step.branch).chain(step.table.iter().copied()).collect(),
                None => BTreeSet::new(),
            };
            for way in ways {
                if let Some(step) = steps.get_mut(way) {
                    step.from.push(at);
                }
            }
        }
        Some(Function { steps, entry })
    }
}

fn is_lea_of_rsp(instruction: &Instruction, to: Register) -> bool {
    is_lea_of(instruction, to, Register::RSP)
}

fn is_lea_of(instruction: &Instruction, to: Register, base: Register) -> bool {
    instruction.code() == Opcode::Lea_r64_m
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == to
        && instruction.memory_base() == base
        && instruction.memory_index() == Register::None
}
