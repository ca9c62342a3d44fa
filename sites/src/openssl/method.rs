//! The tables of functions that `TLS_method` and its like return, to follow the jumps through them.

use iced_x86::{Code as Opcode, OpKind, Register};

use crate::calls::Resolve;
use crate::code::{Code, Function, Step};
use crate::image::Symbols;

/// Exported functions that return a pointer to their table (ssl/methods.c).
const GETTERS: [&str; 3] = ["TLS_method", "TLS_client_method", "TLS_server_method"];
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

    /// The function of the table that the setter stores in the session: the one load from a table whose value is
    /// stored and is code. The others of these functions are loads of numbers, or of pointers to data.
    fn stored_function(&self, setter: &Function) -> Option<u64> {
        let table = self.tables.first()?;
        let mut found = None;
        for (load, store) in setter.steps.iter().flat_map(|load| setter.steps.iter().map(move |store| (load, store))) {
            let is_load =
                load.instruction.code() == Opcode::Mov_r64_rm64 && load.instruction.op1_kind() == OpKind::Memory;
            let is_store =
                store.instruction.code() == Opcode::Mov_rm64_r64 && store.instruction.op0_kind() == OpKind::Memory;
            if !is_load || !is_store || store.instruction.op1_register() != load.instruction.op0_register() {
                continue;
            }
            let Some(place) = table_place(load, load.instruction.memory_base()) else { continue };
            let target = self.code.relocations.address_at(self.code.image, table.checked_add(place)?);
            let Some(target) = target.filter(|&target| self.code.image.is_code(target)) else { continue };
            if found.is_some_and(|found| found != target) {
                return None;
            }
            found = Some(target);
        }
        found
    }
}

impl Resolve for Handshake {
    fn targets(&self, _: &Function, _: &Step) -> Vec<u64> {
        self.0.clone()
    }
}

/// `lea rax, [rip + table]; ret`
fn table(code: &Code, getter: u64) -> Option<u64> {
    let mut instruction = code.instruction(getter)?;
    if instruction.code() == Opcode::Endbr64 {
        instruction = code.instruction(instruction.next_ip())?;
    }
    let is_getter = instruction.code() == Opcode::Lea_r64_m
        && instruction.op0_register() == Register::RAX
        && instruction.is_ip_rel_memory_operand()
        && code.instruction(instruction.next_ip())?.code() == Opcode::Retnq;
    is_getter.then(|| instruction.ip_rel_memory_address())
}

/// The displacement of the load whose value the jump goes to: the pointer's place in its table.
fn pointer_place(function: &Function, jump: &Step) -> Option<u64> {
    if jump.instruction.op0_kind() == OpKind::Memory {
        return table_place(jump, jump.instruction.memory_base());
    }
    let register = jump.instruction.op0_register();
    let mut at = jump;
    for _ in 0..LONGEST_WAY_BACK {
        let [before] = at.from.as_slice() else { return None };
        at = function.steps.get(*before)?;
        if at.instruction.op0_kind() == OpKind::Register && at.instruction.op0_register() == register {
            let is_load = at.instruction.code() == Opcode::Mov_r64_rm64 && at.instruction.op1_kind() == OpKind::Memory;
            return if is_load { table_place(at, at.instruction.memory_base()) } else { None };
        }
    }
    None
}

fn table_place(step: &Step, base: Register) -> Option<u64> {
    let is_plain = step.instruction.memory_index() == Register::None
        && !matches!(base, Register::RSP | Register::RIP | Register::None);
    is_plain.then(|| step.instruction.memory_displacement64())
}
