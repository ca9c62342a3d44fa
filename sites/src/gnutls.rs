//! GnuTLS: by symbol names. All its functions are exported, and it is hardly ever linked statically.
//!
//! Some of them end in others of them (`gnutls_record_send` in `gnutls_record_send2` since 3.6.3): of those the inner one
//! is taken, so that nothing is told twice.

use std::collections::BTreeSet;

use crate::calls::{Call, Sites, Unresolved};
use crate::code::{Code, Exit, Function};
use crate::found::Found;
use crate::image::Symbols;
use crate::library::{Action, Arguments, Convention, Outcome};

const SESSION: Arguments = Arguments { session: Some(0), buffer: None, length: None, count: None };
const SESSION_AND_BUFFER: Arguments = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: None };

/// `ssize_t f(gnutls_session_t session, void *data, size_t data_size, …)`
const fn record(name: &'static str, enter: Action, leave: Action) -> Call {
    Call {
        name,
        enter,
        leave,
        arguments: SESSION_AND_BUFFER,
        outcome: Outcome::CountInResult,
        result_bytes: 8,
        convention: Convention::C,
    }
}

const RECORDS: [Call; 6] = [
    record("gnutls_record_recv", Action::ReadEnter, Action::ReadLeave),
    record("gnutls_record_recv_seq", Action::ReadEnter, Action::ReadLeave),
    record("gnutls_record_recv_early_data", Action::ReadEnter, Action::ReadLeave),
    record("gnutls_record_send", Action::WriteEnter, Action::WriteLeave),
    record("gnutls_record_send2", Action::WriteEnter, Action::WriteLeave),
    record("gnutls_record_send_early_data", Action::WriteEnter, Action::WriteLeave),
];

/// `int gnutls_handshake(gnutls_session_t session)`: 0 is success.
const HANDSHAKE: Call = Call {
    name: "gnutls_handshake",
    enter: Action::HandshakeEnter,
    leave: Action::HandshakeLeave,
    arguments: SESSION,
    outcome: Outcome::ZeroIsOk,
    result_bytes: 4,
    convention: Convention::C,
};
const FREE: Call = Call {
    name: "gnutls_deinit",
    enter: Action::Free,
    leave: Action::Free,
    arguments: SESSION,
    outcome: Outcome::OkOnly,
    result_bytes: 4,
    convention: Convention::C,
};

pub(crate) fn is_wanted(name: &[u8]) -> bool {
    name.starts_with(b"gnutls_")
}

pub(crate) fn has_tls(symbols: &Symbols) -> bool {
    symbols.contains_key("gnutls_record_recv") && symbols.contains_key("gnutls_record_send")
}

pub(crate) fn find(code: &Code, symbols: &Symbols) -> Found {
    let sites = Sites { code };
    let mut found = Found::default();
    let decode = |name: &str| {
        let symbol = symbols.get(name)?;
        Some((symbol.address, Function::decode(code, symbol.address, symbol.size)?))
    };
    let functions: Vec<(&Call, u64, Function)> =
        RECORDS.iter().filter_map(|call| decode(call.name).map(|(at, function)| (call, at, function))).collect();
    let addresses: BTreeSet<u64> = functions.iter().map(|(_, at, _)| *at).collect();
    for (call, _, function) in functions {
        if ends_in(code, &function).any(|target| addresses.contains(&target)) {
            continue;
        }
        found.single(&sites, call, Some(&function), &Unresolved);
    }
    let handshake = decode(HANDSHAKE.name).map(|(_, function)| function);
    found.single(&sites, &HANDSHAKE, handshake.as_ref(), &Unresolved);
    if let Some((_, function)) = decode(FREE.name) {
        found.sites.extend(sites.enter(&FREE, &function));
    }
    if symbols.contains_key("gnutls_record_recv_packet") {
        found.notes.push("gnutls_record_recv_packet: not probed, its data is read through gnutls_packet_get".into());
    }
    found
}

/// Functions that it calls or jumps to.
fn ends_in<'f>(code: &'f Code, function: &'f Function) -> impl Iterator<Item = u64> + 'f {
    let tails = function.steps.iter().filter_map(|step| match step.exit {
        Some(Exit::Tail(target)) => Some(target),
        _ => None,
    });
    function.direct_calls().chain(tails).map(|target| code.through_stub(target))
}
