//! OpenSSL: by symbol names, in a shared library or in whatever it was linked into.
//!
//! `SSL_read`, `SSL_read_ex`, reads through a `BIO_f_ssl` and early data all go through one static function,
//! `ssl_read_internal`, and writes likewise (ssl/ssl_lib.c since 1.1.1). It has no symbol, but is what `SSL_read` and
//! `SSL_read_ex` both call. `SSL_peek` has its own, so nothing is counted that is not consumed.

use crate::calls::{Call, Resolve, Sites, Unresolved};
use crate::code::{Code, Function};
use crate::image::Symbols;
use crate::library::{Action, Arguments, Outcome, Site};

mod method;

use method::Methods;

const SESSION: Arguments = Arguments { session: Some(0), buffer: None, length: None, count: None };
const SESSION_AND_BUFFER: Arguments = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: None };
const WITH_COUNT: Arguments = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: Some(3) };
const WITH_FLAGS_AND_COUNT: Arguments = Arguments { count: Some(4), ..WITH_COUNT };

/// A function that returns a count, its twin that returns success and puts the count behind a pointer, and what both
/// call.
struct Twins {
    plain: Call,
    extended: Call,
    inner: Call,
}

const fn count(name: &'static str, enter: Action, leave: Action) -> Call {
    Call { name, enter, leave, arguments: SESSION_AND_BUFFER, outcome: Outcome::CountInResult, result_bytes: 4 }
}

const fn success(name: &'static str, enter: Action, leave: Action) -> Call {
    let outcome = Outcome::OkAndCountAt { argument: 3 };
    Call { name, enter, leave, arguments: WITH_COUNT, outcome, result_bytes: 4 }
}

const fn twins(names: [&'static str; 3], enter: Action, leave: Action) -> Twins {
    let [plain, extended, inner] = names;
    Twins {
        plain: count(plain, enter, leave),
        extended: success(extended, enter, leave),
        inner: success(inner, enter, leave),
    }
}

const READ: Twins = twins(["SSL_read", "SSL_read_ex", "ssl_read_internal"], Action::ReadEnter, Action::ReadLeave);
const WRITE: Twins = twins(["SSL_write", "SSL_write_ex", "ssl_write_internal"], Action::WriteEnter, Action::WriteLeave);
const CIPHER_READ: Twins =
    twins(["BIO_read", "BIO_read_ex", "bio_read_intern"], Action::CipherReadEnter, Action::CipherReadLeave);
const CIPHER_WRITE: Twins =
    twins(["BIO_write", "BIO_write_ex", "bio_write_intern"], Action::CipherWriteEnter, Action::CipherWriteLeave);

const HANDSHAKE: Call = Call {
    name: "SSL_do_handshake",
    enter: Action::HandshakeEnter,
    leave: Action::HandshakeLeave,
    arguments: SESSION,
    outcome: Outcome::OkOnly,
    result_bytes: 4,
};
/// `ossl_ssize_t SSL_sendfile(SSL *s, int fd, off_t offset, size_t size, int flags)`
const SENDFILE: Call = Call {
    name: "SSL_sendfile",
    enter: Action::SendfileEnter,
    leave: Action::SendfileLeave,
    arguments: Arguments { length: Some(3), ..SESSION },
    outcome: Outcome::CountInResult,
    result_bytes: 8,
};
const FREE: Call = Call {
    name: "SSL_free",
    enter: Action::Free,
    leave: Action::Free,
    arguments: SESSION,
    outcome: Outcome::OkOnly,
    result_bytes: 4,
};

/// Whether a symbol is of interest here.
pub(crate) fn is_wanted(name: &[u8]) -> bool {
    name.starts_with(b"SSL_") || name.starts_with(b"BIO_") || name.starts_with(b"TLS_")
}

/// What was found, and what not.
#[derive(Default)]
pub(crate) struct Found {
    pub sites: Vec<Site>,
    pub return_sites: Vec<Site>,
    pub notes: Vec<String>,
}

pub(crate) fn has_tls(symbols: &Symbols) -> bool {
    symbols.contains_key("SSL_read") && symbols.contains_key("SSL_write")
}

pub(crate) fn has_bio(symbols: &Symbols) -> bool {
    symbols.contains_key("BIO_read") && symbols.contains_key("BIO_write")
}

pub(crate) fn find(code: &Code, symbols: &Symbols) -> Found {
    let mut search = Search { sites: Sites { code }, code, symbols, found: Found::default() };
    if has_tls(symbols) {
        let methods = Methods::of(code, symbols);
        search.twins(&READ, &methods);
        search.twins(&WRITE, &methods);
        search.single(&SENDFILE, &Unresolved);
        search.single(&HANDSHAKE, &methods.handshake(symbols));
        search.free();
    }
    if has_bio(symbols) {
        search.twins(&CIPHER_READ, &Unresolved);
        search.twins(&CIPHER_WRITE, &Unresolved);
    }
    search.found
}

struct Search<'a, 'b> {
    sites: Sites<'a, 'b>,
    code: &'a Code<'b>,
    symbols: &'a Symbols,
    found: Found,
}

impl Search<'_, '_> {
    fn function(&self, name: &str) -> Option<Function> {
        let symbol = self.symbols.get(name)?;
        Function::decode(self.code, symbol.address, symbol.size)
    }

    /// The inner function if its end is cheap, else each of the two for itself.
    fn twins(&mut self, twins: &Twins, pointers: &dyn Resolve) {
        let plain = self.function(twins.plain.name);
        let extended = self.function(twins.extended.name);
        let inner = plain.as_ref().zip(extended.as_ref()).and_then(|(plain, extended)| self.inner(plain, extended));
        let inner_call = self.inner_call(twins);
        if let Some(inner) = &inner {
            if let Ok(sites) = self.sites.cheap(&inner_call, inner, pointers) {
                self.found.sites.extend(sites);
                return;
            }
        }
        let mut alternative = Vec::new();
        let mut is_dear = false;
        for (call, function) in [(&twins.plain, plain), (&twins.extended, extended)] {
            let Some(function) = function else { continue };
            is_dear |= !self.one(call, &function, pointers, &mut alternative);
        }
        if is_dear {
            let inner = inner.map(|inner| self.sites.returning(&inner_call, &inner));
            self.found.return_sites.extend(inner.unwrap_or(alternative));
        }
    }

    /// What both twins call and nothing else does that matters: the only common target of their direct calls that is
    /// code of this file.
    fn inner(&self, plain: &Function, extended: &Function) -> Option<Function> {
        let mut common: Vec<u64> = extended
            .direct_calls()
            .filter(|target| plain.direct_calls().any(|other| other == *target))
            .filter(|&target| self.code.stub_name(target).is_none())
            .collect();
        common.dedup();
        match common.as_slice() {
            [target] => Function::decode(self.code, *target, 0),
            _ => None,
        }
    }

    fn inner_call(&self, twins: &Twins) -> Call {
        let has_flags = twins.inner.enter == Action::WriteEnter && self.symbols.contains_key("SSL_write_ex2");
        if has_flags {
            // Since 3.3: ssl_write_internal(SSL *s, const void *buf, size_t num, uint64_t flags, size_t *written)
            return Call { arguments: WITH_FLAGS_AND_COUNT, ..twins.inner };
        }
        twins.inner
    }

    fn single(&mut self, call: &Call, pointers: &dyn Resolve) {
        let Some(function) = self.function(call.name) else { return };
        let mut alternative = Vec::new();
        if !self.one(call, &function, pointers, &mut alternative) {
            self.found.return_sites.extend(alternative);
        }
    }

    /// Whether cheap places were found. If not, dear ones are taken, and what a return probe offers is `alternative`.
    fn one(&mut self, call: &Call, function: &Function, pointers: &dyn Resolve, alternative: &mut Vec<Site>) -> bool {
        let why = match self.sites.cheap(call, function, pointers) {
            Ok(sites) => {
                alternative.extend_from_slice(&sites);
                self.found.sites.extend(sites);
                return true;
            }
            Err(why) => why,
        };
        let returning = self.sites.returning(call, function);
        let (sites, how) = match self.sites.stepped(call, function, pointers) {
            Some(sites) => (sites, "its return instructions"),
            None => (returning.clone(), "a return probe"),
        };
        self.found.sites.extend(sites);
        alternative.extend(returning);
        self.found.notes.push(format!("{}: {how} must serve: {}", call.name, why.text()));
        false
    }

    fn free(&mut self) {
        if let Some(function) = self.function(FREE.name) {
            self.found.sites.extend(self.sites.enter(&FREE, &function));
        }
    }
}
