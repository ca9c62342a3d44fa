//! BoringSSL: by symbols, and without them by what its functions say when they fail.
//!
//! `OPENSSL_PUT_ERROR` hands over the library's number, a reason and `__FILE__`; the numbers never change. So a function
//! is known by the reasons that it gives from `ssl/ssl_lib.cc` or `crypto/bio/bio.cc`, and by what it calls. What fits
//! more than one function, or none, is not reported.

use std::collections::BTreeSet;

use crate::calls::{Call, Sites, Unresolved};
use crate::code::{Busy, Code, Function};
use crate::found::Found;
use crate::image::{Image, Symbols};
use crate::library::{Action, Arguments, Convention, Outcome};

mod errors;

use errors::{errors_of, Culprit};

/// Numbers of libraries and reasons (include/openssl/err.h, ssl.h, bio.h).
const LIBRARY_SSL: u32 = 16;
const LIBRARY_BIO: u32 = 17;
const SHOULD_NOT_HAVE_BEEN_CALLED: u32 = 66;
const SSL_BAD_LENGTH: u32 = 111;
const SSL_HANDSHAKE_FAILURE: u32 = 215;
const SSL_UNINITIALIZED: u32 = 226;
const BIO_UNINITIALIZED: u32 = 114;
const BIO_UNSUPPORTED_METHOD: u32 = 115;

const SESSION: Arguments = Arguments { session: Some(0), buffer: None, length: None, count: None };
const SESSION_AND_BUFFER: Arguments = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: None };

const fn call(name: &'static str, enter: Action, leave: Action) -> Call {
    let (arguments, outcome) = (SESSION_AND_BUFFER, Outcome::CountInResult);
    Call { name, enter, leave, arguments, outcome, result_bytes: 4, convention: Convention::C }
}

const READ: Call = call("SSL_read", Action::ReadEnter, Action::ReadLeave);
const WRITE: Call = call("SSL_write", Action::WriteEnter, Action::WriteLeave);
const CIPHER_READ: Call = call("BIO_read", Action::CipherReadEnter, Action::CipherReadLeave);
const CIPHER_WRITE: Call = call("BIO_write", Action::CipherWriteEnter, Action::CipherWriteLeave);
const HANDSHAKE: Call = Call {
    arguments: SESSION,
    outcome: Outcome::OkOnly,
    ..call("SSL_do_handshake", Action::HandshakeEnter, Action::HandshakeLeave)
};

const FREE: Call =
    Call { arguments: SESSION, outcome: Outcome::OkOnly, ..call("SSL_free", Action::Free, Action::Free) };

/// The name of a source file that OpenSSL has not: its sources are C.
const SOURCE: &str = "ssl/ssl_lib.cc";

/// Whether functions named as OpenSSL's are BoringSSL's.
pub(crate) fn is_it(image: &Image, symbols: &Symbols) -> bool {
    !symbols.contains_key("SSL_read_ex") && image.string_ending(SOURCE).is_some()
}

pub(crate) fn find_named(code: &Code, symbols: &Symbols) -> Found {
    let mut found = Found::default();
    let sites = Sites { code };
    let decode = |call: &Call| {
        let symbol = symbols.get(call.name)?;
        Function::decode(code, symbol.address, symbol.size)
    };
    if let Some(read) = decode(&READ) {
        match copy(code, &read) {
            Some(copy) => found.with_copy(&sites, &READ, &read, Busy::Until(copy)),
            None => found.single(&sites, &READ, Some(&read), &Unresolved),
        }
    }
    for call in [&WRITE, &HANDSHAKE, &CIPHER_READ, &CIPHER_WRITE] {
        found.single(&sites, call, decode(call).as_ref(), &Unresolved);
    }
    found.sites.extend(decode(&FREE).and_then(|free| sites.enter(&FREE, &free)));
    found
}

/// None where nothing speaks of BoringSSL.
pub(crate) fn find(image: &Image) -> Option<Found> {
    let file = image.string_ending(SOURCE)?;
    let mut found = Found::default();
    if image.function_starts().is_empty() {
        found.notes.push("BoringSSL: without symbols and unwind tables nothing says where functions begin".into());
        return Some(found);
    }
    let code = Code::new(image, &Symbols::new());
    let culprits = errors_of(&code, file, LIBRARY_SSL);
    if culprits.is_empty() {
        found.notes.push("BoringSSL: no function that names ssl_lib.cc was found".into());
        return Some(found);
    }
    let sites = Sites { code: &code };
    let write = only(&culprits, |it| {
        it.has(&[SHOULD_NOT_HAVE_BEEN_CALLED, SSL_UNINITIALIZED, SSL_HANDSHAKE_FAILURE, SSL_BAD_LENGTH])
    });
    match write {
        Some(write) => {
            found.single(&sites, &WRITE, Some(&write.function), &Unresolved);
            for handshake in handshakes(&culprits, write) {
                found.single(&sites, &HANDSHAKE, Some(&handshake.function), &Unresolved);
            }
        }
        None => found.notes.push("SSL_write: no function, or more than one, fails for its reasons".into()),
    }
    match write.and_then(|write| read(&code, &culprits, write)) {
        Some((read, copy)) => found.with_copy(&sites, &READ, &read.function, Busy::Until(copy)),
        None => found.notes.push("SSL_read: no function, or more than one, fails for its reasons".into()),
    }
    bios(&code, &sites, image, &mut found);
    found.notes.push("SSL_free: nothing gives it away".into());
    Some(found)
}

fn only(culprits: &[Culprit], is_it: impl Fn(&Culprit) -> bool) -> Option<&Culprit> {
    let mut fitting = culprits.iter().filter(|culprit| is_it(culprit));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// `SSL_do_handshake`, which `SSL_write` calls, and its copies in `SSL_connect` and `SSL_accept`: they fail at the same
/// line.
fn handshakes<'c>(culprits: &'c [Culprit], write: &Culprit) -> Vec<&'c Culprit> {
    let called: BTreeSet<u64> = write.function.direct_calls().collect();
    let Some(handshake) = only(culprits, |it| called.contains(&it.start)) else { return Vec::new() };
    culprits.iter().filter(|it| it.errors == handshake.errors).collect()
}

/// `SSL_read` contains `SSL_peek`: both fail alike, in one line, and call the same function to get a record, the other one
/// besides `SSL_write` that misses a handshake. Only `SSL_read` then takes what it has copied out of the session.
fn read<'c>(code: &Code, culprits: &'c [Culprit], write: &Culprit) -> Option<(&'c Culprit, u64)> {
    let fetch = |it: &Culprit| it.start != write.start && it.has(&[SSL_UNINITIALIZED, SSL_HANDSHAKE_FAILURE]);
    let fetches: BTreeSet<u64> = culprits.iter().filter(|it| fetch(it)).map(|it| it.start).collect();
    let candidates: Vec<(&Culprit, u64)> = culprits
        .iter()
        .filter(|it| it.errors.len() == 1 && it.has(&[SHOULD_NOT_HAVE_BEEN_CALLED]))
        .filter(|it| it.function.direct_calls().any(|target| fetches.contains(&target)))
        .filter_map(|it| Some((it, copy(code, &it.function)?)))
        .collect();
    match candidates.as_slice() {
        [(one, copy), (other, _)] if one.errors == other.errors => {
            match (one.function.stores_elsewhere(), other.function.stores_elsewhere()) {
                (true, false) => Some((one, *copy)),
                (false, true) => Some((other, *copy)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The copy of the payload, by what it calls for it.
fn copy(code: &Code, function: &Function) -> Option<u64> {
    function.direct_calls().find(|&target| matches!(code.stub_name(target), Some("memcpy" | "memmove")))
}

/// `BIO_read`, `BIO_gets` and `BIO_write` fail for the same two reasons, in this order of lines. `BIO_write` is found in
/// more functions, but is the one that hands on its arguments as they are.
fn bios(code: &Code, sites: &Sites, image: &Image, found: &mut Found) {
    let Some(file) = image.string_ending("crypto/bio/bio.cc").or_else(|| image.string_ending("crypto/bio/bio.c"))
    else {
        return found.notes.push("BIO_read, BIO_write: nothing names bio.cc".into());
    };
    let mut culprits = errors_of(code, file, LIBRARY_BIO);
    culprits.retain(|it| it.errors.len() == 2 && it.has(&[BIO_UNINITIALIZED, BIO_UNSUPPORTED_METHOD]));
    let lines: BTreeSet<u32> = culprits.iter().filter_map(Culprit::first_line).collect();
    let lines: Vec<u32> = lines.into_iter().collect();
    let [reads, _gets, writes] = lines.as_slice() else {
        return found.notes.push("BIO_read, BIO_write: they were not told apart".into());
    };
    for (call, line) in [(&CIPHER_READ, *reads), (&CIPHER_WRITE, *writes)] {
        match only(&culprits, |it| it.first_line() == Some(line) && it.function.hands_on_arguments(3)) {
            Some(it) => found.single(sites, call, Some(&it.function), &Unresolved),
            None => found.notes.push(format!("{}: no function, or more than one, fails for its reasons", call.name)),
        }
    }
}
