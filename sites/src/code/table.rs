//! Jump tables: where a `switch` leads.
//!
//! Compilers write them in two ways: a table of distances from itself (`lea t, [rip + table]; movsxd x, [t + i*4];
//! add x, t; jmp x`), or, in files with a fixed address, of addresses (`jmp [i*8 + table]`). How many entries it has
//! stands in the comparison before (`cmp i, last; ja elsewhere`).

use iced_x86::{Code as Opcode, ConditionCode, Instruction, OpKind, Register};

use super::{register_copy, Code};

/// No table of interest has more entries: the state machines of OpenSSL have about 50.
const MOST_ENTRIES: u64 = 512;

/// The targets of an indirect jump; `before` are the instructions before it, the last first. None if it is no table.
pub(super) fn targets(code: &Code, jump: &Instruction, before: &[Instruction]) -> Option<Vec<u64>> {
    if jump.op0_kind() == OpKind::Memory {
        let table = absolute_table(jump)?;
        return addresses(code, table, entries(before)?);
    }
    let register = jump.op0_register();
    let (at, writer) = last_writer(before, register)?;
    let rest = before.get(at + 1..)?;
    match writer.code() {
        Opcode::Mov_r64_rm64 => addresses(code, absolute_table(writer)?, entries(rest)?),
        Opcode::Add_r64_rm64 | Opcode::Add_rm64_r64 => distances(code, writer, rest),
        _ => None,
    }
}

/// `movsxd x, [t + i*4]; add x, t` or `add t, x`
fn distances(code: &Code, add: &Instruction, before: &[Instruction]) -> Option<Vec<u64>> {
    if add.op1_kind() != OpKind::Register {
        return None;
    }
    let registers = [add.op0_register(), add.op1_register()];
    let (at, load) = before.iter().enumerate().find(|(_, it)| {
        it.code() == Opcode::Movsxd_r64_rm32 && registers.contains(&it.op0_register()) && it.memory_index_scale() == 4
    })?;
    let base = *registers.iter().find(|&&register| register != load.op0_register())?;
    if load.memory_base() != base {
        return None;
    }
    let table = before.iter().find(|it| it.code() == Opcode::Lea_r64_m && it.op0_register() == base)?;
    let table = table.is_ip_rel_memory_operand().then(|| table.ip_rel_memory_address())?;
    let count = entries(before.get(at + 1..)?).or_else(|| entries(before))?;
    let bytes = code.image.bytes_at(table, count.checked_mul(4)?)?;
    let targets = bytes.chunks_exact(4).map(|entry| {
        let distance = i32::from_le_bytes(entry.try_into().ok()?);
        Some(table.wrapping_add_signed(distance.into())).filter(|&target| code.image.is_code(target))
    });
    targets.collect()
}

fn addresses(code: &Code, table: u64, count: u64) -> Option<Vec<u64>> {
    let targets = (0..count).map(|entry| {
        let at = table.checked_add(entry.checked_mul(8)?)?;
        code.relocations.address_at(code.image, at).filter(|&target| code.image.is_code(target))
    });
    targets.collect()
}

/// `[i*8 + table]` without base.
fn absolute_table(instruction: &Instruction) -> Option<u64> {
    let is_table = instruction.memory_base() == Register::None
        && instruction.memory_index() != Register::None
        && instruction.memory_index_scale() == 8;
    is_table.then(|| instruction.memory_displacement64())
}

/// From the nearest `cmp i, last; ja elsewhere`.
fn entries(before: &[Instruction]) -> Option<u64> {
    let pairs = before.iter().zip(before.get(1..)?);
    let mut bounds = pairs.filter(|(jump, _)| jump.condition_code() == ConditionCode::a);
    let (_, compare) = bounds.next()?;
    let is_compare = matches!(
        compare.code(),
        Opcode::Cmp_rm32_imm8
            | Opcode::Cmp_rm32_imm32
            | Opcode::Cmp_EAX_imm32
            | Opcode::Cmp_rm64_imm8
            | Opcode::Cmp_rm64_imm32
            | Opcode::Cmp_RAX_imm32
            | Opcode::Cmp_rm8_imm8
            | Opcode::Cmp_AL_imm8
            | Opcode::Cmp_rm16_imm8
    );
    let last = is_compare.then(|| compare.immediate(1))?;
    last.checked_add(1).filter(|&count| count <= MOST_ENTRIES)
}

fn last_writer(before: &[Instruction], register: Register) -> Option<(usize, &Instruction)> {
    before
        .iter()
        .enumerate()
        .find(|(_, it)| it.op0_kind() == OpKind::Register && it.op0_register() == register)
        .filter(|(_, it)| register_copy(it).is_none())
}
