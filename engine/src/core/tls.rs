//! Plaintext of TLS libraries: to the connection that it is of, or kept until that is known.

use super::Core;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::events::{self, CipherEvent, DataEvent, TlsEvent, TlsStateEvent};
use crate::ledger::Cause;
use crate::secure::Plaintext;
use crate::sessions::SessionKey;
use crate::tls::Request;

/// Plaintext of sessions of which the connection is not known yet, in all and for how long.
const WAITING_BYTES: usize = 8 * 1024 * 1024;
const WAITING_NS: u64 = 2_000_000_000;
/// How long a handshake is remembered of a session that says nothing: a probe of a port may end after it, and nobody tells.
const SHAKEN_NS: u64 = 60_000_000_000;

/// What a session without connection said so far.
#[derive(Debug, Default)]
pub struct Waiting {
    since_ns: u64,
    calls: Vec<(TlsEvent, Vec<u8>)>,
    shaken: Option<TlsStateEvent>,
}

fn key_of(tgid: u32, address: u64, opened_ns: u64) -> SessionKey {
    SessionKey { tgid, address, opened_ns }
}

fn library_name(number: u8) -> &'static str {
    match u32::from(number) {
        events::TLS_OPENSSL => "openssl",
        events::TLS_BORINGSSL => "boringssl",
        events::TLS_GNUTLS => "gnutls",
        events::TLS_NSS => "nss",
        events::TLS_GO => "go",
        events::TLS_RUSTLS => "rustls",
        _ => "unknown",
    }
}

impl Core {
    /// A call that moved plaintext; the data events of its socket operations came before it.
    pub(super) fn tls(&mut self, event: &TlsEvent, payload: &[u8]) {
        self.now_ns = self.now_ns.max(event.end_ns);
        let key = key_of(event.tgid, event.session, event.opened_ns);
        let known = if event.cookie != 0 { Some(event.cookie) } else { self.sessions.maybe_connection(&key) };
        match known {
            Some(cookie) if self.is_left_out(cookie) => self.ledger.lose(Cause::NotSampled, 1),
            Some(cookie) => {
                self.release(key, cookie);
                self.plaintext(cookie, event, payload);
            }
            None => {
                self.ask_for_ciphertext(&key);
                self.wait(key, event, payload);
            }
        }
    }

    fn plaintext(&mut self, cookie: u64, event: &TlsEvent, payload: &[u8]) {
        self.number += 1;
        let flags = u32::from(event.flags);
        let is_steered_by_connection = event.cookie != 0 && flags & events::TLS_INSIDE == 0;
        let plain = Plaintext {
            key: key_of(event.tgid, event.session, event.opened_ns),
            library: library_name(event.library),
            direction: usize::from(event.direction),
            offset: event.offset,
            length: u64::from(event.length),
            skipped: u64::from(event.skipped),
            payload,
            tail: event.tail as usize,
            is_pieces: flags & events::TLS_PIECES != 0,
            start_ns: event.start_ns,
            end_ns: event.end_ns,
            is_nested: event.cookie != 0,
            cookie: if is_steered_by_connection { event.cookie } else { 0 },
            tgid: event.tgid,
            number: self.number,
        };
        if !self.connections.contains_key(&cookie) {
            // Its first operation was lost, or it was given up to make room.
            self.ledger.lose(Cause::TlsUnbound, 1);
            return;
        }
        self.with_connection(cookie, |connection, s| connection.plaintext(&plain, s));
    }

    fn wait(&mut self, key: SessionKey, event: &TlsEvent, payload: &[u8]) {
        if self.waiting_bytes + payload.len() > WAITING_BYTES {
            self.ledger.lose(Cause::TlsUnbound, 1);
            return;
        }
        self.waiting_bytes += payload.len();
        let waiting = self.waiting.entry(key).or_default();
        if waiting.since_ns == 0 {
            waiting.since_ns = event.end_ns;
        }
        waiting.calls.push((*event, payload.to_vec()));
    }

    /// What a session has said goes to its connection.
    fn release(&mut self, key: SessionKey, cookie: u64) {
        let Some(waiting) = self.waiting.remove(&key) else {
            return;
        };
        if let Some(shaken) = waiting.shaken {
            self.with_connection(cookie, |connection, _| connection.shaken(shaken.start_ns, shaken.time_ns));
        }
        for (event, payload) in waiting.calls {
            self.waiting_bytes -= payload.len();
            self.plaintext(cookie, &event, &payload);
        }
    }

    /// Sessions that have waited long enough are of no connection that can be told: an exchange has no peer then.
    /// `is_final`: nothing will come that could tell of which.
    pub(super) fn tell_unbound(&mut self, is_final: bool) {
        let before = if is_final { u64::MAX } else { self.now_ns.saturating_sub(WAITING_NS) };
        let due: Vec<SessionKey> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.since_ns != 0 && waiting.since_ns <= before)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            // Most likely of a connection that is left out, for whose ciphertext nobody looks.
            if self.effort >= Effort::Sampled {
                self.leave_out(key);
                continue;
            }
            let id = key.policy_id(0);
            if !self.connections.contains_key(&id) {
                let tgid = key.tgid;
                self.connections.insert(id, Connection::unbound(id, tgid, self.now_ns));
            }
            self.release(key, id);
        }
        let oldest_ns = self.now_ns.saturating_sub(SHAKEN_NS);
        let is_recent = |shaken: &TlsStateEvent| shaken.time_ns > oldest_ns;
        self.waiting.retain(|_, waiting| !waiting.calls.is_empty() || waiting.shaken.as_ref().is_some_and(is_recent));
        self.end_unbound();
    }

    /// Those of processes that have ended.
    fn end_unbound(&mut self) {
        let is_over = |c: &Connection| c.is_unbound && c.finish_at_ns.is_none() && self.processes.has_ended(c.owner);
        let over: Vec<u64> = self.connections.iter().filter(|(_, c)| is_over(c)).map(|(id, _)| *id).collect();
        let now_ns = self.now_ns;
        for id in over {
            self.with_connection(id, |connection, _| connection.end_unbound(now_ns));
        }
    }

    fn leave_out(&mut self, key: SessionKey) {
        for (_, payload) in self.waiting.remove(&key).map(|waiting| waiting.calls).unwrap_or_default() {
            self.waiting_bytes -= payload.len();
            self.ledger.lose(Cause::NotSampled, 1);
        }
    }

    /// Ciphertext of a session without a socket.
    pub(super) fn cipher(&mut self, event: &CipherEvent, begin: &[u8]) {
        self.now_ns = self.now_ns.max(event.time_ns);
        let key = key_of(event.tgid, event.session, event.opened_ns);
        if self.sessions.maybe_connection(&key).is_some() {
            return;
        }
        if let Some(cookie) = self.sessions.ciphertext(key, usize::from(event.direction), begin) {
            self.release(key, cookie);
        }
    }

    /// Ciphertext that a socket moved, of a connection whose session is not known.
    pub(super) fn ciphertext_of_socket(&mut self, event: &DataEvent, begin: &[u8]) {
        let is_wanted = self.connections.get(&event.cookie).is_some_and(Connection::is_unread_tls);
        if !is_wanted || event.skipped > 0 {
            return;
        }
        if let Some(key) = self.sessions.socket(event.tgid, event.cookie, usize::from(event.direction), begin) {
            self.release(key, event.cookie);
        }
        let has_sessions = self.sessions.has_any_of(event.tgid);
        if !has_sessions && self.connections.get(&event.cookie).is_some_and(Connection::is_opaque_tls) {
            self.with_connection(event.cookie, |connection, s| connection.give_up_tls(s));
        }
    }

    /// A handshake was done, or a session freed.
    pub(super) fn tls_state(&mut self, event: &TlsStateEvent) {
        self.now_ns = self.now_ns.max(event.time_ns);
        let key = key_of(event.tgid, event.session, event.opened_ns);
        let known = if event.cookie != 0 { Some(event.cookie) } else { self.sessions.maybe_connection(&key) };
        if u32::from(event.change) != events::TLS_CHANGE_HANDSHAKE {
            self.sessions.forget(&key);
            let now_ns = self.now_ns;
            if known.is_none() {
                self.with_connection(key.policy_id(0), |connection, _| connection.end_unbound(now_ns));
            }
            return;
        }
        match known {
            Some(cookie) => {
                self.with_connection(cookie, |connection, _| connection.shaken(event.start_ns, event.time_ns));
            }
            None => {
                self.ask_for_ciphertext(&key);
                self.waiting.entry(key).or_default().shaken = Some(*event);
            }
        }
    }

    fn ask_for_ciphertext(&mut self, key: &SessionKey) {
        let tgid = key.tgid;
        self.sessions.note_user(tgid);
        if !self.sessions.is_heard(key) {
            self.request(Request::Ciphertext(tgid));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::policy::NoSteering;

    #[test]
    fn a_session_that_says_nothing_after_its_handshake_is_forgotten() {
        let mut core = Core::new(Options::default(), Box::new(NoSteering), 1, 1);
        let change = events::TLS_CHANGE_HANDSHAKE as u8;
        core.tls_state(&TlsStateEvent { tgid: 7, session: 9, time_ns: 1, change, ..TlsStateEvent::default() });
        core.tick(SHAKEN_NS, 0);
        assert_eq!(core.waiting.len(), 1);
        core.tick(2 * SHAKEN_NS, 0);
        assert_eq!(core.waiting.len(), 0);
    }
}
