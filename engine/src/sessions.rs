//! TLS sessions that have no socket of their own: their library writes to memory and reads from it (Python's asyncio, Node).
//!
//! Such a session is bound to a connection by ciphertext: the library gives it to its owner before some socket sends it, and
//! takes it after some socket received it. Compared are bytes of the first record's payload, which are random or
//! encrypted; never who does what on which thread. What is not bound is nobody's, and told so.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::handshake::is_record;
use crate::policy::tls_cookie;

/// Bytes that are compared: type, length, version and ten random bytes of a hello; ciphertext of all other records.
const MARK_BYTES: usize = 16;
const RECORD_HEAD_BYTES: usize = 5;
/// Marks that wait for their counterpart; the oldest goes.
const MARKS: usize = 16384;

/// A session: its address is used again, so since when as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionKey {
    pub tgid: u32,
    pub address: u64,
    pub opened_ns: u64,
}

impl SessionKey {
    /// Under which its plaintext is steered: by the connection where the kernel side knows it.
    pub fn policy_id(&self, cookie: u64) -> u64 {
        tls_cookie(cookie, self.tgid, self.address, self.opened_ns)
    }
}

/// Process, direction and bytes.
type Mark = (u32, usize, [u8; MARK_BYTES]);

#[derive(Clone, Copy, Debug)]
enum Seen {
    BySession(SessionKey),
    BySocket(u64),
}

/// Which session belongs to which connection.
#[derive(Debug, Default)]
pub struct Sessions {
    bound: FxHashMap<SessionKey, u64>,
    /// Their ciphertext is told.
    heard: FxHashSet<SessionKey>,
    marks: FxHashMap<Mark, Seen>,
    /// Of `marks`, the oldest first.
    order: VecDeque<Mark>,
    /// Processes that have sessions without socket.
    users: FxHashSet<u32>,
}

impl Sessions {
    pub fn maybe_connection(&self, key: &SessionKey) -> Option<u64> {
        self.bound.get(key).copied()
    }

    /// Its ciphertext need not be asked for.
    pub fn is_heard(&self, key: &SessionKey) -> bool {
        self.heard.contains(key)
    }

    /// The process has sessions that might belong to a connection of which nothing is known.
    pub fn has_any_of(&self, tgid: u32) -> bool {
        self.users.contains(&tgid)
    }

    /// It has some.
    pub fn note_user(&mut self, tgid: u32) {
        self.users.insert(tgid);
    }

    /// Ciphertext that a session gave or took; the connection that it is on, if that is seen now.
    pub fn ciphertext(&mut self, key: SessionKey, direction: usize, begin: &[u8]) -> Option<u64> {
        if self.heard.insert(key) {
            self.users.insert(key.tgid);
        }
        let mark = (key.tgid, direction, maybe_mark(begin)?);
        match self.marks.get(&mark) {
            Some(Seen::BySocket(cookie)) => {
                let cookie = *cookie;
                self.bound.insert(key, cookie);
                Some(cookie)
            }
            _ => {
                self.note(mark, Seen::BySession(key));
                None
            }
        }
    }

    /// Ciphertext that a socket sent or received; the session that it is of, if that is seen now.
    pub fn socket(&mut self, tgid: u32, cookie: u64, direction: usize, begin: &[u8]) -> Option<SessionKey> {
        if !is_record(begin) {
            return None;
        }
        let mark = (tgid, direction, maybe_mark(begin)?);
        match self.marks.get(&mark) {
            // Once bound, bound: what it is said to have moved elsewhere was not its own.
            Some(Seen::BySession(key)) if !self.bound.contains_key(key) => {
                let key = *key;
                self.bound.insert(key, cookie);
                Some(key)
            }
            _ => {
                self.note(mark, Seen::BySocket(cookie));
                None
            }
        }
    }

    /// The session is gone.
    pub fn forget(&mut self, key: &SessionKey) {
        self.bound.remove(key);
        self.heard.remove(key);
    }

    /// Nothing of the process is left.
    pub fn end_process(&mut self, tgid: u32) {
        if self.users.remove(&tgid) {
            self.bound.retain(|key, _| key.tgid != tgid);
            self.heard.retain(|key| key.tgid != tgid);
        }
    }

    fn note(&mut self, mark: Mark, seen: Seen) {
        if self.marks.insert(mark, seen).is_none() {
            self.order.push_back(mark);
        }
        if self.order.len() > MARKS {
            if let Some(oldest) = self.order.pop_front() {
                self.marks.remove(&oldest);
            }
        }
    }
}

/// A library reads the head of a record by itself and then its payload, or both at once.
fn maybe_mark(begin: &[u8]) -> Option<[u8; MARK_BYTES]> {
    let payload = if is_record(begin) { begin.get(RECORD_HEAD_BYTES..)? } else { begin };
    payload.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey { tgid: 1, address: 7, opened_ns: 3 };
    const RECORD: &[u8] = b"\x17\x03\x03\x00\x20abcdefghijklmnopqrstuvwxyz012345";

    #[test]
    fn what_a_session_wrote_is_found_when_a_socket_sends_it() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.ciphertext(KEY, 1, RECORD), None);
        assert_eq!(sessions.socket(2, 9, 1, RECORD), None);
        assert_eq!(sessions.socket(1, 9, 0, RECORD), None);
        assert_eq!(sessions.socket(1, 9, 1, RECORD), Some(KEY));
        assert_eq!(sessions.maybe_connection(&KEY), Some(9));
        sessions.note_user(1);
        sessions.end_process(1);
        assert_eq!(sessions.maybe_connection(&KEY), None);
    }

    #[test]
    fn what_a_socket_received_is_found_when_a_session_reads_it_with_or_without_its_head() {
        for begin in [RECORD, &RECORD[5..]] {
            let mut sessions = Sessions::default();
            assert_eq!(sessions.socket(1, 9, 0, RECORD), None);
            assert_eq!(sessions.ciphertext(KEY, 0, begin), Some(9));
        }
    }

    #[test]
    fn marks_are_bounded() {
        let mut sessions = Sessions::default();
        for number in 0..2 * MARKS as u64 {
            let record = [&RECORD[..5], &number.to_be_bytes(), &[0; 24]].concat();
            sessions.ciphertext(KEY, 1, &record);
        }
        assert_eq!((sessions.marks.len(), sessions.order.len()), (MARKS, MARKS));
    }
}
