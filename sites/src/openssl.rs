//! OpenSSL: by symbol names, in a shared library or in whatever it was linked into.
//!
//! `SSL_read`, `SSL_read_ex`, reads through a `BIO_f_ssl` and early data all go through one static function,
//! `ssl_read_internal`, and writes likewise (ssl/ssl_lib.c since 1.1.1). It has no symbol, but is what `SSL_read` and
//! `SSL_read_ex` both call. `SSL_peek` has its own, so nothing is counted that is not consumed.

use std::collections::BTreeSet;

use crate::calls::{Call, Sites, Unresolved};
use crate::code::{Code, Exit, Function};
use crate::found::Found;
use crate::image::Symbols;
use crate::library::{Action, Arguments, Convention, Outcome};

mod memory;
mod method;
mod stripped;

pub(crate) use stripped::find as find_stripped;

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
    /// What the inner one calls through the method table.
    method: Option<Call>,
}

const fn count(name: &'static str, enter: Action, leave: Action) -> Call {
    Call {
        name,
        enter,
        leave,
        arguments: SESSION_AND_BUFFER,
        outcome: Outcome::CountInResult,
        result_bytes: 4,
        convention: Convention::C,
    }
}

const fn success(name: &'static str, enter: Action, leave: Action) -> Call {
    let outcome = Outcome::OkAndCountAt { argument: 3 };
    Call { name, enter, leave, arguments: WITH_COUNT, outcome, result_bytes: 4, convention: Convention::C }
}

const fn twins(names: [&'static str; 3], enter: Action, leave: Action) -> Twins {
    let [plain, extended, inner] = names;
    Twins {
        plain: count(plain, enter, leave),
        extended: success(extended, enter, leave),
        inner: success(inner, enter, leave),
        method: None,
    }
}

const fn with_method(twins: Twins, name: &'static str) -> Twins {
    Twins { method: Some(Call { name, ..twins.inner }), ..twins }
}

const READ: Twins = with_method(
    twins(["SSL_read", "SSL_read_ex", "ssl_read_internal"], Action::ReadEnter, Action::ReadLeave),
    "ssl3_read",
);
const WRITE: Twins = with_method(
    twins(["SSL_write", "SSL_write_ex", "ssl_write_internal"], Action::WriteEnter, Action::WriteLeave),
    "ssl3_write",
);
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
    convention: Convention::C,
};
/// `ossl_ssize_t SSL_sendfile(SSL *s, int fd, off_t offset, size_t size, int flags)`
const SENDFILE: Call = Call {
    name: "SSL_sendfile",
    enter: Action::SendfileEnter,
    leave: Action::SendfileLeave,
    arguments: Arguments { length: Some(3), ..SESSION },
    outcome: Outcome::CountInResult,
    result_bytes: 8,
    convention: Convention::C,
};
/// `static int mem_write(BIO *b, const char *in, int inl)`
const MEMORY_WRITE: Call = Call {
    name: "mem_write",
    enter: Action::CipherWritten,
    leave: Action::CipherWritten,
    arguments: SESSION_AND_BUFFER,
    outcome: Outcome::OkOnly,
    result_bytes: 4,
    convention: Convention::C,
};
const FREE: Call = Call {
    name: "SSL_free",
    enter: Action::Free,
    leave: Action::Free,
    arguments: SESSION,
    outcome: Outcome::OkOnly,
    result_bytes: 4,
    convention: Convention::C,
};

/// Whether a symbol is of interest here.
pub(crate) fn is_wanted(name: &[u8]) -> bool {
    name.starts_with(b"SSL_") || name.starts_with(b"BIO_") || name.starts_with(b"TLS_")
}

/// GnuTLS brings a library of these names too, which hands all on to its own: it has no handshake of its own.
pub(crate) fn has_tls(symbols: &Symbols) -> bool {
    ["SSL_read", "SSL_write", "SSL_do_handshake"].iter().all(|&name| symbols.contains_key(name))
}

pub(crate) fn has_bio(symbols: &Symbols) -> bool {
    symbols.contains_key("BIO_read") && symbols.contains_key("BIO_write")
}

pub(crate) fn find(code: &Code, symbols: &Symbols) -> Found {
    let mut search = Search { sites: Sites { code }, code, symbols, found: Found::default() };
    let methods = Methods::of(code, symbols);
    if has_tls(symbols) {
        search.twins(&READ, &methods);
        search.twins(&WRITE, &methods);
        search.found.single(&search.sites, &SENDFILE, search.function(SENDFILE.name).as_ref(), &Unresolved);
        let handshake = methods.handshake(symbols);
        search.found.single(&search.sites, &HANDSHAKE, search.function(HANDSHAKE.name).as_ref(), &handshake);
        search.free();
    }
    if has_bio(symbols) {
        search.twins(&CIPHER_READ, &methods);
        search.twins(&CIPHER_WRITE, &methods);
        search.memory();
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

    /// The innermost function that all calls of both twins go through, if its end is cheap, else the next further out:
    /// the function of the method table, what both call, each of them for itself.
    fn twins(&mut self, twins: &Twins, methods: &Methods) {
        let plain = self.function(twins.plain.name);
        let extended = self.function(twins.extended.name);
        let inner = plain.as_ref().zip(extended.as_ref()).and_then(|(plain, extended)| self.inner(plain, extended));
        let method = methods
            .called_by([&plain, &extended, &inner].into_iter().flatten())
            .filter(|_| twins.method.is_some() && extended.is_some())
            .and_then(|target| Function::decode(self.code, target, 0));
        let shared = [twins.method.zip(method), inner.map(|inner| (self.inner_call(twins), inner))];
        for (call, function) in shared.iter().flatten() {
            if let Some(sites) = self.sites.cheap(call, function, methods) {
                self.found.sites.extend(sites);
                return;
            }
        }
        let mut alternative = Vec::new();
        let mut is_dear = false;
        for (call, function) in [(&twins.plain, plain), (&twins.extended, extended)] {
            let Some(function) = function else { continue };
            is_dear |= !self.found.add(&self.sites, call, &function, methods, &mut alternative);
        }
        if is_dear {
            let shared = shared.iter().flatten().next().map(|(call, function)| self.sites.returning(call, function));
            self.found.return_sites.extend(shared.unwrap_or(alternative));
        }
    }

    /// What both twins call and nothing else does that matters: the only common target of their direct calls that is
    /// code of this file.
    fn inner(&self, plain: &Function, extended: &Function) -> Option<Function> {
        let (plain, extended) = (self.calls(plain), self.calls(extended));
        let mut common = plain.intersection(&extended).filter(|&&target| self.code.stub_name(target).is_none());
        match (common.next(), common.next()) {
            (Some(&target), None) => Function::decode(self.code, target, 0),
            _ => None,
        }
    }

    /// Targets of direct calls, also of the function that is jumped to as last act: since 3.3 `SSL_write_ex` is
    /// `SSL_write_ex2` without flags.
    fn calls(&self, function: &Function) -> BTreeSet<u64> {
        let mut calls: BTreeSet<u64> = function.direct_calls().collect();
        for step in &function.steps {
            if let Some(Exit::Tail(target)) = step.exit {
                let next = Function::decode(self.code, self.code.through_stub(target), 0);
                calls.extend(next.iter().flat_map(Function::direct_calls));
            }
        }
        calls
    }

    fn inner_call(&self, twins: &Twins) -> Call {
        let has_flags = twins.inner.enter == Action::WriteEnter && self.symbols.contains_key("SSL_write_ex2");
        if has_flags {
            // Since 3.3: ssl_write_internal(SSL *s, const void *buf, size_t num, uint64_t flags, size_t *written)
            return Call { arguments: WITH_FLAGS_AND_COUNT, ..twins.inner };
        }
        twins.inner
    }

    /// Only where it costs little: others who use the library write to memory, too.
    fn memory(&mut self) {
        let function = memory::write(self.code, self.symbols).and_then(|at| Function::decode(self.code, at, 0));
        let site = function.and_then(|function| self.sites.enter(&MEMORY_WRITE, &function));
        match site.filter(|site| site.is_emulated) {
            Some(site) => self.found.sites.push(site),
            None => self.found.notes.push("mem_write: not found, or not cheap".into()),
        }
    }

    fn free(&mut self) {
        if let Some(function) = self.function(FREE.name) {
            self.found.sites.extend(self.sites.enter(&FREE, &function));
        }
    }
}
