//! Machine code of one function: decoded along its jumps, with the depth of the stack at each instruction.
//!
//! x86-64 only. What is said here of an instruction (what it writes, where it leads, what it costs under a probe) is
//! all that `enter` and `leave` ask for; another processor needs a second decoder and nothing else.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use iced_x86::{Code as Opcode, Decoder, DecoderOptions, Instruction, OpKind, Register};

use crate::image::{Image, Relocations, Symbols};

mod cost;
mod enter;
mod function;
mod leave;
mod registers;
mod table;

pub(crate) use enter::enter;
pub(crate) use function::{Exit, Function, Step};
pub(crate) use leave::{leave, returns, tails, Busy, Failing, LeaveSite, NoLeave, Spot, SpotPlace, Told, Wanted};
pub(crate) use registers::{dwarf_number, C_ARGUMENTS, GO_ARGUMENTS};

/// The longest instruction.
const INSTRUCTION_BYTES: usize = 15;
/// Code is read in windows of this size.
const WINDOW_BYTES: u64 = 4096;
/// As many windows are kept; one function, its cold part and the stubs it calls need fewer.
const MOST_WINDOWS: usize = 256;

/// Library functions that do not come back.
const NEVER_RETURN: [&str; 9] = [
    "__stack_chk_fail",
    "__assert_fail",
    "__fortify_fail",
    "__chk_fail",
    "__cxa_throw",
    "_Unwind_Resume",
    "OPENSSL_die",
    "abort",
    "exit",
];

/// The code of a file, by address.
pub(crate) struct Code<'a> {
    pub image: &'a Image,
    pub relocations: Relocations,
    never_return: HashSet<u64>,
    windows: RefCell<HashMap<u64, Rc<[u8]>>>,
}

impl<'a> Code<'a> {
    pub fn new(image: &'a Image, symbols: &Symbols) -> Code<'a> {
        let never_return = NEVER_RETURN.iter().filter_map(|&name| Some(symbols.get(name)?.address)).collect();
        Code { image, relocations: Relocations::of(image), never_return, windows: RefCell::default() }
    }

    /// Functions that do not come back either.
    pub fn never_return(&mut self, addresses: impl Iterator<Item = u64>) {
        self.never_return.extend(addresses);
    }

    /// At most `N` bytes from the address on, zeros behind the end of what is loaded there.
    pub fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut done = 0;
        while done < N {
            let at = address.checked_add(done as u64)?;
            let Some(window) = self.window(at - at % WINDOW_BYTES) else { break };
            let rest = window.get((at % WINDOW_BYTES) as usize..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            for (to, from) in bytes.iter_mut().skip(done).zip(rest) {
                *to = *from;
                done += 1;
            }
        }
        (done > 0).then_some(bytes)
    }

    fn window(&self, start: u64) -> Option<Rc<[u8]>> {
        if let Some(window) = self.windows.borrow().get(&start) {
            return Some(Rc::clone(window));
        }
        let window: Rc<[u8]> = self.image.code_window(start, WINDOW_BYTES)?.into();
        let mut windows = self.windows.borrow_mut();
        if windows.len() >= MOST_WINDOWS {
            windows.clear();
        }
        windows.insert(start, Rc::clone(&window));
        Some(window)
    }

    pub fn instruction(&self, address: u64) -> Option<Instruction> {
        if !self.image.is_code(address) {
            return None;
        }
        let bytes = self.bytes::<INSTRUCTION_BYTES>(address)?;
        let instruction = Decoder::with_ip(64, &bytes, address, DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    /// The symbol that the stub at this address (`.plt`, `.plt.sec`) jumps to.
    pub fn stub_name(&self, address: u64) -> Option<&str> {
        self.relocations.name_at(self.stub_slot(address)?)
    }

    fn stub_slot(&self, address: u64) -> Option<u64> {
        let mut instruction = self.instruction(address)?;
        if instruction.code() == Opcode::Endbr64 {
            instruction = self.instruction(instruction.next_ip())?;
        }
        if instruction.code() != Opcode::Jmp_rm64 || !instruction.is_ip_rel_memory_operand() {
            return None;
        }
        Some(instruction.ip_rel_memory_address())
    }

    pub fn is_never_returning(&self, address: u64) -> bool {
        self.never_return.contains(&address) || self.stub_name(address).is_some_and(|name| NEVER_RETURN.contains(&name))
    }

    /// The function called at this address, also where a stub leads to a function of the same file.
    pub fn through_stub(&self, address: u64) -> u64 {
        self.stub_slot(address).and_then(|slot| self.relocations.address_at(self.image, slot)).unwrap_or(address)
    }
}

/// The register that is read and written by a copy of one general register to another: (to, from, bytes).
pub(crate) fn register_copy(instruction: &Instruction) -> Option<(Register, Register, u8)> {
    let bytes = match instruction.code() {
        Opcode::Mov_r64_rm64 | Opcode::Mov_rm64_r64 => 8,
        Opcode::Mov_r32_rm32 | Opcode::Mov_rm32_r32 => 4,
        _ => return None,
    };
    if instruction.op0_kind() != OpKind::Register || instruction.op1_kind() != OpKind::Register {
        return None;
    }
    Some((instruction.op0_register().full_register(), instruction.op1_register().full_register(), bytes))
}
