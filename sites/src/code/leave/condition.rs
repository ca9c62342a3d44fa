//! What a conditional jump knows of the register that the instruction before it compared.

use iced_x86::{Code as Opcode, ConditionCode, Instruction, OpKind, Register};

use super::super::{Function, Step};
use super::Spot;

/// A jump on the sign or on -1 of a register.
pub(super) struct Condition {
    pub tested: Spot,
    /// Whether the register can be above 0 on the way that falls through, and on the way that jumps.
    pub may_be_positive: [bool; 2],
}

/// So many instructions may stand between the comparison and the jump.
const LONGEST_GAP: usize = 3;

pub(super) fn condition(function: &Function, step: &Step) -> Option<Condition> {
    let jump = step.instruction.condition_code();
    if jump == ConditionCode::None || step.branch.is_none() {
        return None;
    }
    let mut at = step;
    let mut between = Vec::new();
    for _ in 0..=LONGEST_GAP {
        let [before] = at.from.as_slice() else { return None };
        at = function.steps.get(*before)?;
        if at.instruction.rflags_modified() != 0 {
            let (tested, against) = comparison(&at.instruction)?;
            let is_kept = between.iter().all(|written| *written != tested.0);
            let may_be_positive = positive_ways(jump, against)?;
            return is_kept.then(|| Condition { tested: Spot::register(tested.0, tested.1), may_be_positive });
        }
        between.push(written(&at.instruction)?);
    }
    None
}

/// `test r, r` or `cmp r, 0` (0), `cmp r, -1` (-1): ((register, bytes), compared with).
fn comparison(instruction: &Instruction) -> Option<((Register, u8), i64)> {
    let bytes = match instruction.code() {
        Opcode::Test_rm32_r32 | Opcode::Cmp_rm32_imm8 | Opcode::Cmp_rm32_imm32 | Opcode::Cmp_EAX_imm32 => 4,
        Opcode::Test_rm64_r64 | Opcode::Cmp_rm64_imm8 | Opcode::Cmp_rm64_imm32 => 8,
        _ => return None,
    };
    if instruction.op0_kind() != OpKind::Register {
        return None;
    }
    let register = instruction.op0_register();
    let against = if instruction.op1_kind() == OpKind::Register {
        (instruction.op1_register() == register).then_some(0)?
    } else {
        let immediate = instruction.immediate(1);
        if bytes == 4 {
            i64::from((immediate as u32).cast_signed())
        } else {
            immediate.cast_signed()
        }
    };
    matches!(against, -1 | 0).then_some(((register.full_register(), bytes), against))
}

/// [falls through, jumps]
fn positive_ways(jump: ConditionCode, against: i64) -> Option<[bool; 2]> {
    Some(match (against, jump) {
        (0, ConditionCode::e | ConditionCode::l | ConditionCode::s | ConditionCode::le) => [true, false],
        (0, ConditionCode::ne | ConditionCode::ge | ConditionCode::ns | ConditionCode::g) => [false, true],
        (-1, ConditionCode::e | ConditionCode::le) => [true, false],
        (-1, ConditionCode::ne | ConditionCode::g) => [false, true],
        _ => return None,
    })
}

/// The register that a simple move writes; None for anything else.
fn written(instruction: &Instruction) -> Option<Register> {
    let is_move = matches!(
        instruction.code(),
        Opcode::Mov_r64_rm64
            | Opcode::Mov_r32_rm32
            | Opcode::Mov_rm64_r64
            | Opcode::Mov_rm32_r32
            | Opcode::Mov_r32_imm32
    );
    if !is_move {
        return None;
    }
    Some(if instruction.op0_kind() == OpKind::Register {
        instruction.op0_register().full_register()
    } else {
        Register::None
    })
}
