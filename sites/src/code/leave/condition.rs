//! What a conditional jump knows of the register that the instruction before it compared.

use iced_x86::{Code as Opcode, ConditionCode, FlowControl, Instruction, InstructionInfoFactory, OpKind, Register};

use super::super::registers::writes;
use super::super::{register_copy, Function, Step};
use super::{Failing, Spot};

/// A jump on the sign or on -1 of a register.
pub(super) struct Condition {
    /// The register, and those that hold the same value at the jump.
    registers: Vec<Register>,
    /// So many bytes of them were compared.
    pub bytes: u8,
    /// The values that lead to the way on which it cannot be above 0; None where they have no name.
    pub failing: Option<Failing>,
    /// Whether the value can be above 0 on the way that falls through, and on the way that jumps.
    pub may_be_positive: [bool; 2],
}

impl Condition {
    pub fn tested(&self) -> Option<Spot> {
        Some(Spot::register(*self.registers.first()?, self.bytes))
    }

    pub fn is_of(&self, register: Register) -> bool {
        self.registers.contains(&register)
    }
}

/// So many instructions may stand between the comparison and the jump; as many before it are looked at for copies.
const LONGEST_GAP: usize = 4;

pub(super) fn condition(function: &Function, step: &Step) -> Option<Condition> {
    let jump = step.instruction.condition_code();
    if jump == ConditionCode::None || step.branch.is_none() {
        return None;
    }
    let way = way_to(function, step);
    let at = way.iter().position(|before| before.rflags_modified() != 0).filter(|&at| at <= LONGEST_GAP)?;
    let (register, bytes, against) = comparison(way.get(at)?)?;
    let may_be_positive = positive_ways(jump, against)?;
    let registers = holders(&way, at, register, bytes);
    (!registers.is_empty()).then_some(Condition { registers, bytes, failing: failing(jump, against), may_be_positive })
}

/// The registers that hold at the jump what `register` held when it was compared, by the instruction `compared`.
fn holders(way: &[Instruction], compared: usize, register: Register, bytes: u8) -> Vec<Register> {
    let mut factory = InstructionInfoFactory::new();
    // Registers of the same number hold the same value.
    let mut held: Vec<(Register, usize)> = GENERAL.iter().enumerate().map(|(at, &register)| (register, at)).collect();
    let number =
        |held: &[(Register, usize)], register| held.iter().find(|(other, _)| *other == register).map(|it| it.1);
    let mut wanted = None;
    for (back, instruction) in way.iter().enumerate().rev() {
        let copied = register_copy(instruction).filter(|(_, _, copied)| *copied >= bytes);
        let copied = copied.and_then(|(to, from, _)| Some((to, number(&held, from)?)));
        for (written, value) in &mut held {
            if let Some((_, from)) = copied.filter(|(to, _)| to == written) {
                *value = from;
            } else if writes(&mut factory, instruction, *written) {
                *value = GENERAL.len() + back;
            }
        }
        if back == compared {
            wanted = number(&held, register);
        }
    }
    held.iter().filter(|(_, value)| Some(*value) == wanted).map(|(register, _)| *register).collect()
}

const GENERAL: [Register; 16] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RBX,
    Register::RSP,
    Register::RBP,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// The instructions before the jump, the last first, as far back as there is one way only.
fn way_to(function: &Function, step: &Step) -> Vec<Instruction> {
    let mut way = Vec::new();
    let mut at = step;
    while way.len() < 2 * LONGEST_GAP {
        let [before] = at.from.as_slice() else { break };
        let Some(before) = function.steps.get(*before) else { break };
        // What a called function leaves in the registers is new.
        if !matches!(before.instruction.flow_control(), FlowControl::Next | FlowControl::ConditionalBranch) {
            break;
        }
        way.push(before.instruction);
        at = before;
    }
    way
}

/// `test r, r` or `cmp r, 0` (0), `cmp r, -1` (-1): (register, bytes, compared with).
fn comparison(instruction: &Instruction) -> Option<(Register, u8, i64)> {
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
        let immediate = instruction.immediate(1).cast_signed();
        if bytes == 4 {
            i64::from(immediate as i32)
        } else {
            immediate
        }
    };
    matches!(against, -1 | 0).then_some((register.full_register(), bytes, against))
}

fn failing(jump: ConditionCode, against: i64) -> Option<Failing> {
    match (against, jump) {
        (0, ConditionCode::le | ConditionCode::g) => Some(Failing::NotPositive),
        (0, ConditionCode::l | ConditionCode::s | ConditionCode::ge | ConditionCode::ns) => Some(Failing::Negative),
        (-1, ConditionCode::le | ConditionCode::g) => Some(Failing::Negative),
        (0, ConditionCode::e | ConditionCode::ne) => Some(Failing::Zero),
        _ => None,
    }
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
