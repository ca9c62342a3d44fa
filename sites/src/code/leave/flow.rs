//! The result of a function, followed backwards from its returns, and what still happens behind each instruction.

use iced_x86::{Code as Opcode, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

use super::super::registers::{survives_calls, writes};
use super::super::{register_copy, Exit, Function, Step};
use super::{Busy, Spot, SpotPlace, Wanted};

/// Where the final result is before an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// No return is reached from here.
    Unreached,
    Known(Spot),
    /// The result is a constant that is not above 0, whatever else happens.
    Failure,
    /// It comes into being later, or is in different places on different ways.
    Mixed,
}

impl Value {
    fn meet(self, other: Value) -> Value {
        match (self, other) {
            (Value::Unreached, value) | (value, Value::Unreached) => value,
            (one, two) if one == two => one,
            _ => Value::Mixed,
        }
    }
}

pub(super) struct Flow {
    /// Before each step.
    pub before: Vec<Value>,
    /// A call, or a store that may be the payload or the count, happens at or behind the step.
    pub is_busy_from: Vec<bool>,
}

impl Flow {
    pub fn of(function: &Function, wanted: Wanted) -> Flow {
        let count = function.steps.len();
        let mut flow = Flow { before: vec![Value::Unreached; count], is_busy_from: vec![false; count] };
        let mut factory = InstructionInfoFactory::new();
        let mut open: Vec<usize> = (0..count).collect();
        // Values only go down (unreached, known, mixed) and marks only up, so each step is visited a few times at most.
        while let Some(at) = open.pop() {
            let Some(step) = function.steps.get(at) else { continue };
            let after = function.successors(at).map(|next| flow.value(next)).fold(Value::Unreached, Value::meet);
            let before = match before(&mut factory, step, after, wanted) {
                // Going down only: what was found mixed or failing once stays so.
                value if flow.value(at) == Value::Unreached => value,
                value => flow.value(at).meet(value),
            };
            let is_busy = step.exit != Some(Exit::Never)
                && (is_busy(&mut factory, step, wanted.busy) || function.successors(at).any(|next| flow.is_busy(next)));
            let is_busy = is_busy && before != Value::Unreached;
            if before != flow.value(at) || is_busy != flow.is_busy(at) {
                if let (Some(value), Some(mark)) = (flow.before.get_mut(at), flow.is_busy_from.get_mut(at)) {
                    (*value, *mark) = (before, is_busy);
                }
                open.extend(&step.from);
            }
        }
        flow
    }

    pub fn value(&self, at: usize) -> Value {
        self.before.get(at).copied().unwrap_or(Value::Mixed)
    }

    pub fn is_busy(&self, at: usize) -> bool {
        self.is_busy_from.get(at).copied().unwrap_or(true)
    }
}

pub(super) fn before(factory: &mut InstructionInfoFactory, step: &Step, after: Value, wanted: Wanted) -> Value {
    match step.exit {
        Some(Exit::Return) => return Value::Known(Spot::register(Register::RAX, wanted.bytes)),
        Some(Exit::Never) => return Value::Unreached,
        Some(Exit::Tail(_) | Exit::TailIndirect | Exit::Unknown) => return Value::Mixed,
        None => {}
    }
    match after {
        Value::Known(Spot { place, plus: None, bytes }) => before_place(factory, step, place, bytes, wanted),
        Value::Known(Spot { place, plus: Some(plus), bytes }) => {
            let one = before_place(factory, step, place, bytes, wanted);
            let other = before_place(factory, step, plus, bytes, wanted);
            match (one, other) {
                (Value::Known(one), Value::Known(other)) if one.plus.is_none() && other.plus.is_none() => {
                    Value::Known(Spot { plus: Some(other.place), ..one })
                }
                _ => Value::Mixed,
            }
        }
        other => other,
    }
}

fn before_place(
    factory: &mut InstructionInfoFactory,
    step: &Step,
    place: SpotPlace,
    bytes: u8,
    wanted: Wanted,
) -> Value {
    match place {
        SpotPlace::Register(register) => before_register(factory, step, register, bytes, wanted),
        SpotPlace::Stack(offset) => before_stack(factory, step, offset, bytes),
    }
}

/// The result is in a register behind the step: where was it before?
fn before_register(
    factory: &mut InstructionInfoFactory,
    step: &Step,
    register: Register,
    bytes: u8,
    wanted: Wanted,
) -> Value {
    let instruction = &step.instruction;
    if is_call(instruction) {
        let stays = wanted.do_calls_keep_registers && survives_calls(register);
        return if stays { Value::Known(Spot::register(register, bytes)) } else { Value::Mixed };
    }
    if !writes(factory, instruction, register) {
        return Value::Known(Spot::register(register, bytes));
    }
    if let Some((_, from, copied)) = register_copy(instruction) {
        // A copy of 4 bytes clears the upper ones: as 8 bytes the result can then not be negative any more.
        return if copied >= bytes { Value::Known(Spot::register(from, bytes)) } else { Value::Mixed };
    }
    match instruction.code() {
        Opcode::Movsxd_r64_rm32 if instruction.op1_kind() == OpKind::Register => {
            Value::Known(Spot::register(instruction.op1_register().full_register(), 4))
        }
        Opcode::Cdqe => Value::Known(Spot::register(Register::RAX, 4)),
        Opcode::Mov_r64_rm64 | Opcode::Mov_r32_rm32 => {
            let loaded = if instruction.code() == Opcode::Mov_r64_rm64 { 8 } else { 4 };
            match stack_offset(step) {
                Some(offset) if loaded >= bytes => Value::Known(Spot::at(SpotPlace::Stack(offset), bytes)),
                _ => Value::Mixed,
            }
        }
        Opcode::Add_r64_rm64 | Opcode::Add_rm64_r64
            if bytes == 8
                && instruction.op0_kind() == OpKind::Register
                && instruction.op1_kind() == OpKind::Register =>
        {
            sum(instruction.op0_register(), instruction.op1_register())
        }
        Opcode::Lea_r64_m
            if bytes == 8
                && instruction.memory_displacement64() == 0
                && instruction.memory_index_scale() == 1
                && instruction.memory_base() != Register::None
                && instruction.memory_index() != Register::None =>
        {
            sum(instruction.memory_base(), instruction.memory_index())
        }
        _ => constant(instruction),
    }
}

/// Go returns what it has written so far plus what the last call wrote.
fn sum(one: Register, other: Register) -> Value {
    Value::Known(Spot { plus: Some(SpotPlace::Register(other)), ..Spot::register(one, 8) })
}

/// The result is on the stack behind the step: where was it before?
fn before_stack(factory: &mut InstructionInfoFactory, step: &Step, offset: i32, bytes: u8) -> Value {
    let instruction = &step.instruction;
    let stays = Value::Known(Spot::at(SpotPlace::Stack(offset), bytes));
    if is_call(instruction) || !stores(factory, instruction) {
        return stays;
    }
    match stack_offset(step) {
        Some(at) if at == offset => match instruction.code() {
            Opcode::Mov_rm64_r64 => Value::Known(Spot::register(instruction.op1_register().full_register(), bytes)),
            Opcode::Mov_rm32_r32 if bytes <= 4 => {
                Value::Known(Spot::register(instruction.op1_register().full_register(), bytes))
            }
            Opcode::Mov_rm64_imm32 | Opcode::Mov_rm32_imm32 => constant(instruction),
            _ => Value::Mixed,
        },
        Some(at) => {
            let size = i64::try_from(instruction.memory_size().size()).unwrap_or(i64::MAX);
            let (at, offset) = (i64::from(at), i64::from(offset));
            let is_apart = size > 0 && (at.saturating_add(size) <= offset || offset + i64::from(bytes) <= at);
            if is_apart {
                stays
            } else {
                Value::Mixed
            }
        }
        None if is_push(instruction) => match step.depth {
            Some(depth) if -depth - 8 != offset => stays,
            _ => Value::Mixed,
        },
        None => stays,
    }
}

fn constant(instruction: &Instruction) -> Value {
    let value = match instruction.code() {
        Opcode::Mov_r32_imm32 => instruction.immediate32().cast_signed().into(),
        Opcode::Mov_r64_imm64 | Opcode::Mov_rm64_imm32 => instruction.immediate(1).cast_signed(),
        Opcode::Mov_rm32_imm32 => instruction.immediate32().cast_signed().into(),
        Opcode::Xor_r32_rm32 | Opcode::Xor_rm32_r32 if is_xor_with_itself(instruction) => 0,
        Opcode::Or_rm32_imm8 | Opcode::Or_rm64_imm8 if instruction.immediate(1) == u64::MAX => -1,
        _ => return Value::Mixed,
    };
    if value <= 0 {
        Value::Failure
    } else {
        Value::Mixed
    }
}

fn is_xor_with_itself(instruction: &Instruction) -> bool {
    instruction.op1_kind() == OpKind::Register && instruction.op0_register() == instruction.op1_register()
}

/// The place of the memory operand, as frame + offset, if it is addressed from the stack or frame pointer.
pub(super) fn stack_offset(step: &Step) -> Option<i32> {
    let instruction = &step.instruction;
    if instruction.memory_index() != Register::None || instruction.segment_prefix() != Register::None {
        return None;
    }
    let depth = match instruction.memory_base() {
        Register::RSP => step.depth?,
        Register::RBP => step.base?,
        _ => return None,
    };
    i32::try_from(instruction.memory_displacement64().cast_signed()).ok()?.checked_sub(depth)
}

fn is_call(instruction: &Instruction) -> bool {
    matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall)
}

fn is_push(instruction: &Instruction) -> bool {
    instruction.is_stack_instruction() && instruction.stack_pointer_increment() < 0
}

fn stores(factory: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    factory.info(instruction).used_memory().iter().any(|used| {
        matches!(used.access(), OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
    })
}

/// Whether the caller's payload, or the count, may be written by the step. Stores of a constant are neither (they set
/// states), nor are stores to the own stack.
fn is_busy(factory: &mut InstructionInfoFactory, step: &Step, busy: Busy) -> bool {
    let instruction = &step.instruction;
    match busy {
        Busy::Always => {}
        Busy::Until(copy) => return is_call(instruction) && instruction.near_branch_target() == copy,
        Busy::Never => return false,
    }
    if is_call(instruction) || matches!(step.exit, Some(Exit::Tail(_) | Exit::TailIndirect)) {
        return true;
    }
    if !stores(factory, instruction) || is_push(instruction) {
        return false;
    }
    let is_constant = instruction.op_count() == 2
        && instruction.op0_kind() == OpKind::Memory
        && matches!(
            instruction.op1_kind(),
            OpKind::Immediate8
                | OpKind::Immediate16
                | OpKind::Immediate32
                | OpKind::Immediate8to64
                | OpKind::Immediate32to64
                | OpKind::Immediate8to32
        );
    !is_constant && stack_offset(step).is_none_or(|offset| offset >= 0)
}
