//! Registers: which an instruction writes, which survive a call, and their DWARF numbers.

use iced_x86::{Instruction, InstructionInfoFactory, OpAccess, Register};

/// Arguments of the C convention (System V x86-64 psABI §3.2.3), in order.
pub(crate) const C_ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// Arguments and results of Go's convention since 1.17 (src/cmd/compile/abi-internal.md), in order.
pub(crate) const GO_ARGUMENTS: [Register; 9] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// Those that a called function gives back as they were (psABI §3.2.1).
const SURVIVE_CALLS: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

pub(super) fn survives_calls(register: Register) -> bool {
    SURVIVE_CALLS.contains(&register)
}

/// Whether the instruction itself (not what it calls) writes any part of the general register, perhaps conditionally.
pub(super) fn writes(factory: &mut InstructionInfoFactory, instruction: &Instruction, register: Register) -> bool {
    factory.info(instruction).used_registers().iter().any(|used| {
        used.register().full_register() == register
            && matches!(
                used.access(),
                OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
    })
}

/// psABI figure 3.36.
pub(crate) fn dwarf_number(register: Register) -> Option<u8> {
    Some(match register.full_register() {
        Register::RAX => 0,
        Register::RDX => 1,
        Register::RCX => 2,
        Register::RBX => 3,
        Register::RSI => 4,
        Register::RDI => 5,
        Register::RBP => 6,
        Register::RSP => 7,
        Register::R8 => 8,
        Register::R9 => 9,
        Register::R10 => 10,
        Register::R11 => 11,
        Register::R12 => 12,
        Register::R13 => 13,
        Register::R14 => 14,
        Register::R15 => 15,
        _ => return None,
    })
}
