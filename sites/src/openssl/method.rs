//! The tables of functions that `TLS_method` and its like return, to follow the jumps through them.

use std::collections::BTreeSet;

use iced_x86::{Code as Opcode, FlowControl, OpKind, Register};

use crate::calls::Resolve;
use crate::code::{Code, Exit, Function, Step};
use crate::image::Symbols;

/// Exported functions that return a pointer to their table (ssl/methods.c).
const GETTERS: [&str; 3] = ["TLS_method", "TLS_client_method", "TLS_server_method"];
/// No table is larger: 1.1.1 has 34 words, 4.0 fewer.
pub(super) const TABLE_BYTES: u64 = 0x120;
/// `endbr64; push rbp; mov rbp, rsp; lea; pop rbp; ret` and a nop or two.
const LONGEST_GETTER: usize = 8;
/// So many instructions are looked at for the load of the pointer before a jump through it.
const LONGEST_WAY_BACK: usize = 16;

pub(super) struct Methods<'a, 'b> {
    code: &'a Code<'b>,
    tables: Vec<u64>,
}

impl<'a, 'b> Methods<'a, 'b> {
    pub fn of(code: &'a Code<'b>, symbols: &Symbols) -> Methods<'a, 'b> {
        let tables = GETTERS.iter().filter_map(|&name| table(code, symbols.get(name)?.address)).collect();
        Methods { code, tables }
    }

    /// Tables that were found without their names.
    pub fn at(code: &'a Code<'b>, tables: Vec<u64>) -> Methods<'a, 'b> {
        Methods { code, tables }
    }
}

impl Methods<'_, '_> {
    /// The one function of the tables that these functions call or jump to.
    pub fn called_by<'f>(&self, functions: impl Iterator<Item = &'f Function>) -> Option<u64> {
        let mut called = BTreeSet::new();
        for function in functions {
            let is_indirect = |step: &&Step| {
                step.exit == Some(Exit::TailIndirect) || step.instruction.flow_control() == FlowControl::IndirectCall
            };
            for step in function.steps.iter().filter(is_indirect) {
                called.extend(self.targets(function, step));
            }
        }
        if called.len() == 1 {
            called.pop_first()
        } else {
            None
        }
    }
}

impl Resolve for Methods<'_, '_> {
    /// The functions at that place of the tables. For reads and writes it is one and the same.
    fn targets(&self, function: &Function, jump: &Step) -> Vec<u64> {
        let Some(place) = pointer_place(function, jump) else { return Vec::new() };
        let targets = self.tables.iter().map(|table| {
            let target = self.code.relocations.address_at(self.code.image, table.checked_add(place)?)?;
            self.code.image.is_code(target).then_some(target)
        });
        targets.collect::<Option<Vec<u64>>>().unwrap_or_default()
    }
}

/// `s->handshake_func`, which is one of two functions of the table: `SSL_set_connect_state` and `SSL_set_accept_state`
/// put it there.
pub(super) struct Handshake(Vec<u64>);

impl Methods<'_, '_> {
    pub fn handshake(&self, symbols: &Symbols) -> Handshake {
        let setters = ["SSL_set_connect_state", "SSL_set_accept_state"];
        let targets = setters.iter().map(|&name| {
            let symbol = symbols.get(name)?;
            let setter = Function::decode(self.code, symbol.address, symbol.size)?;
            self.stored_function(&setter)
        });
        Handshake(targets.collect::<Option<Vec<u64>>>().unwrap_or_default())
    }

    /// The function of the table that the setter stores in the session: the one pointer that it loads and stores, and
    /// that leads to code.
    fn stored_function(&self, setter: &Function) -> Option<u64> {
        let table = self.tables.first()?;
        let is_store = |step: &&Step| {
            step.instruction.code() == Opcode::Mov_rm64_r64 && step.instruction.op0_kind() == OpKind::Memory
        };
        let targets: BTreeSet<u64> = setter
            .steps
            .iter()
            .filter(is_store)
            .filter_map(|store| loaded_place(setter, store, store.instruction.op1_register()))
            .filter_map(|place| self.code.relocations.address_at(self.code.image, table.checked_add(place)?))
            .filter(|&target| self.code.image.is_code(target))
            .collect();
        targets.first().copied().filter(|_| targets.len() == 1)
    }
}

impl Resolve for Handshake {
    fn targets(&self, _: &Function, _: &Step) -> Vec<u64> {
        self.0.clone()
    }
}

/// `lea rax, [rip + table]; ret`, or `mov eax, table; ret` where the file is loaded at a fixed place; and around it
/// perhaps a frame pointer, for which there is no need.
pub(super) fn table(code: &Code, getter: u64) -> Option<u64> {
    let mut table = None;
    let mut at = getter;
    for _ in 0..LONGEST_GETTER {
        let instruction = code.instruction(at)?;
        match instruction.code() {
            Opcode::Retnq => return table,
            Opcode::Lea_r64_m if instruction.is_ip_rel_memory_operand() => {
                table = Some(instruction.ip_rel_memory_address());
            }
            Opcode::Mov_r32_imm32 if instruction.op0_register() == Register::EAX => {
                table = Some(instruction.immediate32().into());
            }
            _ if instruction.flow_control() != FlowControl::Next => return None,
            _ => {}
        }
        at = instruction.next_ip();
    }
    None
}

/// The place in its table of the pointer that the jump goes to.
pub(super) fn pointer_place(function: &Function, jump: &Step) -> Option<u64> {
    if jump.instruction.op0_kind() == OpKind::Memory {
        return table_place(jump);
    }
    loaded_place(function, jump, jump.instruction.op0_register())
}

/// The displacement of the load that gave the register the value it has before the step.
fn loaded_place(function: &Function, step: &Step, register: Register) -> Option<u64> {
    let mut at = step;
    for _ in 0..LONGEST_WAY_BACK {
        let [before] = at.from.as_slice() else { return None };
        at = function.steps.get(*before)?;
        if at.instruction.op0_kind() == OpKind::Register && at.instruction.op0_register() == register {
            let is_load = at.instruction.code() == Opcode::Mov_r64_rm64 && at.instruction.op1_kind() == OpKind::Memory;
            return if is_load { table_place(at) } else { None };
        }
    }
    None
}

fn table_place(step: &Step) -> Option<u64> {
    let is_plain = step.instruction.memory_index() == Register::None
        && !matches!(step.instruction.memory_base(), Register::RSP | Register::RIP | Register::None);
    is_plain.then(|| step.instruction.memory_displacement64()).filter(|&place| place < TABLE_BYTES)
}
