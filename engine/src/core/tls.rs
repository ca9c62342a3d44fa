//! Plaintext of TLS libraries. So far it is only counted.

use super::Core;
use crate::events::{self, CipherEvent, TlsEvent, TlsStateEvent};
use crate::ledger::Cause;

/// Processes that wait to be asked for their ciphertext; one that is not among them comes with its next event.
const SOCKETLESS: usize = 1024;

impl Core {
    /// A call that moved plaintext; the data events of its socket operations came before it.
    pub(super) fn tls(&mut self, event: &TlsEvent, _payload: &[u8]) {
        self.now_ns = self.now_ns.max(event.end_ns);
        if event.cookie == 0 {
            self.ask_for_ciphertext(event.tgid);
        }
        self.ledger.lose(Cause::TlsUnbound, 1);
    }

    /// Ciphertext of a session without a socket.
    pub(super) fn cipher(&mut self, event: &CipherEvent, _payload: &[u8]) {
        self.now_ns = self.now_ns.max(event.time_ns);
    }

    /// A handshake was done, or a session freed.
    pub(super) fn tls_state(&mut self, event: &TlsStateEvent) {
        self.now_ns = self.now_ns.max(event.time_ns);
        if u32::from(event.change) == events::TLS_CHANGE_HANDSHAKE && event.cookie == 0 {
            self.ask_for_ciphertext(event.tgid);
        }
    }

    fn ask_for_ciphertext(&mut self, tgid: u32) {
        if self.socketless.len() < SOCKETLESS && !self.socketless.contains(&tgid) {
            self.socketless.push(tgid);
        }
    }

    /// Processes whose sessions have no socket, since the last call.
    pub fn take_socketless(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.socketless)
    }
}
