//! Go's crypto/tls: by the table of functions that every Go program carries for its stack traces, stripped or not.
//!
//! Return probes are out of the question: Go walks and moves its stacks, and finds a return address there that is not
//! its own. A goroutine may block in a read and come back on another thread, and its stack may have moved meanwhile: a
//! call is known by its goroutine (r14 since 1.17) and the distance of its frame from the stack's upper end.

use iced_x86::{Code as Opcode, FlowControl, Register};

use crate::calls::{Call, Sites};
use crate::code::{Busy, Code, Function};
use crate::found::Found;
use crate::image::{Image, Symbols};
use crate::library::{Action, Arguments, Convention, Outcome};

mod pclntab;
mod version;

pub(crate) use version::version;

use pclntab::Table;

/// `func (c *Conn) Read(b []byte) (int, error)`: the receiver, then pointer, length and capacity of the slice.
const CONNECTION_AND_SLICE: Arguments = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: None };
const CONNECTION: Arguments = Arguments { session: Some(0), buffer: None, length: None, count: None };

const fn call(name: &'static str, enter: Action, leave: Action, arguments: Arguments, outcome: Outcome) -> Call {
    Call { name, enter, leave, arguments, outcome, result_bytes: 8, convention: Convention::GoRegisters }
}

const READ: Call =
    call("crypto/tls.(*Conn).Read", Action::ReadEnter, Action::ReadLeave, CONNECTION_AND_SLICE, Outcome::GoResult);
const WRITE: Call =
    call("crypto/tls.(*Conn).Write", Action::WriteEnter, Action::WriteLeave, CONNECTION_AND_SLICE, Outcome::GoResult);
/// `handshakeContext` is asked by each read and write whether it is done; these two are the work itself.
const HANDSHAKES: [Call; 2] = [
    call(
        "crypto/tls.(*Conn).clientHandshake",
        Action::HandshakeEnter,
        Action::HandshakeLeave,
        CONNECTION,
        Outcome::ZeroIsOk,
    ),
    call(
        "crypto/tls.(*Conn).serverHandshake",
        Action::HandshakeEnter,
        Action::HandshakeLeave,
        CONNECTION,
        Outcome::ZeroIsOk,
    ),
];
/// `func (d *Decoder) Write(p []byte) (n int, err error)`, called with each header block: of `x/net`, and of `net/http`, which
/// has a copy.
const DECODERS: [Call; 2] = [
    call(
        "golang.org/x/net/http2/hpack.(*Decoder).Write",
        Action::TableRead,
        Action::TableRead,
        CONNECTION_AND_SLICE,
        Outcome::OkOnly,
    ),
    call(
        "vendor/golang.org/x/net/http2/hpack.(*Decoder).Write",
        Action::TableRead,
        Action::TableRead,
        CONNECTION_AND_SLICE,
        Outcome::OkOnly,
    ),
];
/// A closed connection is not read any more; its address is another's only after the next garbage collection.
const CLOSE: Call = call("crypto/tls.(*Conn).Close", Action::Free, Action::Free, CONNECTION, Outcome::OkOnly);

const MEMMOVE: &str = "runtime.memmove";
/// What does not come back: an index out of range, a nil map.
const PANICS: [&str; 5] = ["runtime.panic", "runtime.goPanic", "runtime.gopanic", "runtime.throw", "runtime.fatal"];

/// Whether the file is a Go program: it says with what it was built.
pub(crate) fn is_go(image: &Image) -> bool {
    image.section(".go.buildinfo").is_some() || image.section(".gopclntab").is_some()
}

/// None for a Go program without crypto/tls and HTTP/2.
pub(crate) fn find(image: &Image) -> Option<Found> {
    let mut code = Code::new(image, &Symbols::new());
    let table = match Table::of(&code) {
        Ok(table) => table,
        Err(why) => return Some(Found { notes: vec![format!("Go: {why}")], ..Found::default() }),
    };
    let wanted: Vec<&str> = [READ.name, WRITE.name, CLOSE.name, HANDSHAKES[0].name, HANDSHAKES[1].name, MEMMOVE]
        .into_iter()
        .chain(PANICS)
        .chain(DECODERS.map(|decoder| decoder.name))
        .collect();
    let functions = table.functions(&wanted);
    let is_panic = |name: &str| PANICS.iter().any(|panic| name.starts_with(panic));
    code.never_return(functions.iter().filter(|(name, _)| is_panic(name)).map(|(_, symbol)| symbol.address));
    let has = |call: &Call| functions.contains_key(call.name);
    if !has(&READ) && !has(&WRITE) && !DECODERS.iter().any(has) {
        return None;
    }
    let mut found = Found::default();
    let sites = Sites { code: &code };
    let memmove = functions.get(MEMMOVE).map(|symbol| symbol.address);
    for call in [READ, WRITE].iter().chain(&HANDSHAKES) {
        let Some(symbol) = functions.get(call.name) else { continue };
        let Some(function) = Function::decode(&code, symbol.address, symbol.size) else { continue };
        let Some(convention) = convention(&function) else {
            found.notes.push(format!("{}: its beginning is of neither calling convention", call.name));
            continue;
        };
        // The plaintext that is read is in place once no copy comes any more; what is written is so from the beginning.
        let busy = match (call.enter, memmove) {
            (Action::WriteEnter, _) => Busy::Never,
            (Action::ReadEnter, Some(memmove)) => Busy::Until(memmove),
            _ => Busy::Always,
        };
        match sites.with_busy(&Call { convention, ..*call }, &function, busy) {
            Ok(sites) => found.sites.extend(sites),
            Err(why) => found.notes.push(format!("{}: {}", call.name, why.text())),
        }
    }
    let close = functions.get(CLOSE.name).and_then(|symbol| Function::decode(&code, symbol.address, symbol.size));
    if let Some(close) = close {
        let convention = convention(&close).unwrap_or(Convention::GoRegisters);
        found.sites.extend(sites.enter(&Call { convention, ..CLOSE }, &close));
    }
    for decoder in &DECODERS {
        let Some(symbol) = functions.get(decoder.name) else { continue };
        let Some(function) = Function::decode(&code, symbol.address, symbol.size) else { continue };
        if let Some(convention) = convention(&function) {
            found.sites.extend(sites.enter(&Call { convention, ..*decoder }, &function));
        }
    }
    Some(found)
}

/// How it is called, by how it looks for the end of its stack: `cmp rsp, [r14+16]` where r14 is the goroutine, before 1.17
/// `mov rcx, fs:[-8]; cmp rsp, [rcx+16]`. The distance may first be added to a copy of rsp.
fn convention(function: &Function) -> Option<Convention> {
    let mut at = function.entry;
    for _ in 0..4 {
        let step = function.steps.get(at)?;
        let instruction = &step.instruction;
        if instruction.flow_control() != FlowControl::Next {
            return None;
        }
        let is_compare =
            matches!(instruction.code(), Opcode::Cmp_r64_rm64) && instruction.memory_displacement64() == 16;
        match instruction.memory_base() {
            Register::R14 if is_compare => return Some(Convention::GoRegisters),
            Register::RCX if is_compare => return Some(Convention::GoStack),
            _ => at = step.next?,
        }
    }
    None
}
