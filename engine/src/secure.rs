//! TLS on a connection: the plaintext that libraries show, and the socket operations that carried it.
//!
//! Received: the operations come first, then the call that gives their plaintext. Sent: likewise where the library writes
//! to the socket itself; where it writes to memory, the plaintext comes first and waits until as many bytes were sent.
//! An operation whose plaintext belongs to no message (handshakes, tickets, alerts) is counted as `tls_control`, one whose
//! plaintext was lost as `tls_lost`: the position of what comes next tells of it.

use std::collections::VecDeque;
use std::ops::Range;

use rover_reporters::record::{Protocol as Spoken, Side, Syscall, Tls};

use crate::conversation::{Chunk, Conversation, Surroundings, RX, TX};
use crate::event::ToldTable;
use crate::exchange::{Exchange, OperationFacts};
use crate::handshake::Handshake;
use crate::layers::Measured;
use crate::ledger::{Cause, Ledger};
use crate::sessions::SessionKey;

/// Operations of one direction that wait for their plaintext. A record of 16 KiB in pieces of 64 bytes are as many.
const PENDING: usize = 256;
/// Plaintext that waits to be sent.
const HELD_BYTES: usize = 512 * 1024;
/// Plaintext that was written and not seen to be sent is told without its operations after this.
const SENDING_NS: u64 = 500_000_000;
/// Operations after which a connection without plaintext is given up.
const LOOKS: u32 = 64;
/// Sessions within one another on a connection.
const SESSIONS: usize = 4;

/// One call of a TLS library that moved plaintext.
#[derive(Clone, Copy, Debug)]
pub struct Plaintext<'a> {
    pub key: SessionKey,
    pub library: &'static str,
    pub direction: usize,
    /// Place in the session's plaintext.
    pub offset: u64,
    pub length: u64,
    pub skipped: u64,
    pub payload: &'a [u8],
    /// Of `payload`: these end it, what lies before them was not copied.
    pub tail: usize,
    pub is_pieces: bool,
    pub start_ns: u64,
    pub end_ns: u64,
    /// The call itself moved bytes at the socket.
    pub is_nested: bool,
    /// Under which the kernel side steers it; 0: under the session itself.
    pub cookie: u64,
    pub tgid: u32,
    /// Counts like the operations of sockets.
    pub number: u64,
}

/// An operation that no plaintext has claimed.
#[derive(Clone, Copy, Debug)]
struct Pending {
    facts: OperationFacts,
    /// It begins with a record that is none of the application's, but others may follow in it.
    is_control: bool,
}

/// Plaintext that has been written to memory only.
#[derive(Debug)]
struct Held {
    session: usize,
    offset: u64,
    length: u64,
    skipped: u64,
    payload: Vec<u8>,
    tail: usize,
    is_pieces: bool,
    facts: OperationFacts,
    /// It has been sent when so many bytes of ciphertext have been.
    sent_at: u64,
    is_after_loss: bool,
}

#[derive(Debug)]
struct Session {
    key: SessionKey,
    library: &'static str,
    conversation: Conversation,
    /// Begin of the last call that wrote.
    last_written_ns: u64,
    /// By direction: end of the plaintext that was told last.
    told: [u64; 2],
}

impl Session {
    /// Bytes before this call of which no event tells: the ring was full.
    fn take_lost(&mut self, plain: &Plaintext<'_>) -> u64 {
        let told = &mut self.told[plain.direction];
        let lost = plain.offset.saturating_sub(*told);
        *told = (*told).max(plain.offset + plain.length);
        lost
    }
}

/// State of a connection under TLS.
#[derive(Debug)]
pub struct Secure {
    exchanges_before: u32,
    role: Option<Side>,
    is_pre_existing: bool,
    /// There is no connection: nothing will ever be seen to be sent.
    pub is_unbound: bool,
    pub handshake: Handshake,
    sessions: Vec<Session>,
    /// By direction: operations that no plaintext has claimed yet.
    pending: [Vec<Pending>; 2],
    /// By direction: the operation that was claimed last; what else the library gives comes from it too.
    claimed: [Option<OperationFacts>; 2],
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Ciphertext that was sent, and what of it is spoken for by plaintext.
    sent: u64,
    owed: u64,
    last_sent_ns: u64,
    is_reset: bool,
    /// Operations since some plaintext was seen.
    silent: u32,
}

impl Secure {
    /// `exchanges_before`: of the connection, such as the one that asked for a tunnel.
    pub fn new(role: Option<Side>, is_pre_existing: bool, exchanges_before: u32) -> Secure {
        Secure {
            exchanges_before,
            role,
            is_pre_existing,
            is_unbound: false,
            handshake: Handshake::default(),
            sessions: Vec::new(),
            pending: [Vec::new(), Vec::new()],
            claimed: [None, None],
            held: VecDeque::new(),
            held_bytes: 0,
            sent: 0,
            owed: 0,
            last_sent_ns: 0,
            is_reset: false,
            silent: 0,
        }
    }

    /// Some library shows its plaintext.
    pub fn is_readable(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// What is spoken under TLS; of sessions within one another, the innermost that is known.
    pub fn maybe_conversation(&self) -> Option<&Conversation> {
        let decided = self.sessions.iter().rev().map(|session| &session.conversation).find(|c| c.spoken().is_some());
        decided.or_else(|| self.sessions.first().map(|session| &session.conversation))
    }

    /// Every session speaks something else.
    pub fn is_not_http(&self) -> bool {
        self.is_readable() && self.sessions.iter().all(|session| session.conversation.is_not_http())
    }

    /// The TLS that an exchange was under.
    pub fn maybe_tls(&self, exchange: &Exchange) -> Option<Tls> {
        let session = self.sessions.get(usize::from(exchange.session?))?;
        let handshake = &self.handshake;
        Some(Tls {
            library: session.library.into(),
            version: handshake.version.map(Box::from),
            server_name: handshake.server_name.clone(),
            alpn: handshake.alpn.clone(),
            cipher: handshake.cipher.map(Box::from),
            handshake_ns: handshake.duration_ns(),
        })
    }

    pub fn side_of(&self, exchange: &Exchange) -> Option<Side> {
        let session = exchange.session?;
        self.sessions.get(usize::from(session)).map(|session| session.conversation.side())
    }

    pub fn needs_attention(&self) -> bool {
        !self.held.is_empty() || self.sessions.iter().any(|session| session.conversation.needs_attention())
    }

    /// Bytes that wait.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes + self.sessions.iter().map(|session| session.conversation.held_bytes()).sum::<usize>()
    }

    #[expect(clippy::manual_inspect, reason = "what is inspected cannot be changed")]
    pub fn open_exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.sessions.iter_mut().enumerate().flat_map(|(index, session)| {
            session.conversation.open_exchanges().map(move |exchange| {
                exchange.session = Some(index as u8);
                exchange
            })
        })
    }

    /// The HPACK table of a direction, of the only session there is.
    pub fn tell_table(&mut self, direction: usize, told: &ToldTable<'_>) {
        if let ([session], true) = (&mut self.sessions[..], self.held.is_empty()) {
            session.conversation.tell_table(direction, told);
        }
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        self.sessions.iter().find_map(|session| session.conversation.maybe_open_exchange(number))
    }

    pub fn has_exchanges(&self) -> bool {
        self.sessions.iter().any(|session| session.conversation.has_exchanges())
    }

    /// A socket operation at `place` of its stream that begins with `begin`. `is_accounted`: another conversation answers for it, that
    /// of the tunnel in which this one is.
    pub fn operation(
        &mut self,
        direction: usize,
        facts: &OperationFacts,
        place: Range<u64>,
        begin: &[u8],
        is_accounted: bool,
        s: &mut Surroundings<'_>,
    ) {
        let is_control = self.handshake.read(direction, begin, facts.end_ns);
        self.silent += 1;
        let is_doubtful = direction == TX && self.is_doubtful(place.start);
        if direction == TX && !is_doubtful {
            self.send_unseen(place.start, s);
        }
        if direction == TX {
            // By its place: what no event told of was sent too.
            self.sent = self.sent.max(place.end);
            self.last_sent_ns = facts.end_ns;
        }
        if is_accounted {
            self.claimed[direction] = Some(*facts);
        } else if is_doubtful {
            s.ledger.lose(Cause::TlsLost, 1);
        } else {
            let pending = &mut self.pending[direction];
            pending.push(Pending { facts: *facts, is_control });
            if pending.len() > PENDING {
                pending.remove(0);
                s.ledger.lose(Cause::TlsControl, 1);
            }
        }
        if direction == TX {
            self.send_held(0, s);
        }
    }

    /// A call that moved plaintext.
    pub fn plaintext(&mut self, plain: &Plaintext<'_>, s: &mut Surroundings<'_>) {
        self.silent = 0;
        let Some(session) = self.session(plain) else {
            s.ledger.lose(Cause::TlsUnbound, 1);
            return;
        };
        let tls_ns = if plain.direction == RX { plain.end_ns } else { plain.start_ns };
        if plain.direction == TX {
            self.sessions[session].last_written_ns = plain.start_ns;
        }
        let lost = self.sessions[session].take_lost(plain);
        let is_sent = self.last_sent_ns >= plain.end_ns;
        if plain.direction == TX && !plain.is_nested && !self.is_unbound && !is_sent {
            self.owed = self.owed.max(self.sent) + self.unsent(lost) + plain.length;
            self.hold(session, plain, tls_ns, lost > 0, s);
            return self.send_held(0, s);
        }
        if plain.direction == TX {
            self.owed = self.sent;
        }
        let is_late = !plain.is_nested;
        self.give(session, plain, Arrival { tls_ns, is_late, is_after_loss: lost > 0 }, s);
    }

    /// Of plaintext that was lost before it was known to be sent, what will be: an operation that nothing claims has sent it.
    fn unsent(&self, lost: u64) -> u64 {
        let is_sent = self.pending[TX].iter().any(|each| !each.is_control);
        if is_sent {
            0
        } else {
            lost
        }
    }

    /// None if there are too many: what one says must not be taken for another's.
    fn session(&mut self, plain: &Plaintext<'_>) -> Option<usize> {
        if let Some(at) = self.sessions.iter().position(|session| session.key == plain.key) {
            return Some(at);
        }
        if self.sessions.len() >= SESSIONS {
            return None;
        }
        let at = self.sessions.len();
        let is_joined = self.is_pre_existing || !self.handshake.is_seen();
        let before = self.sessions.last().map_or(self.exchanges_before, |session| session.conversation.exchanges());
        let id = plain.key.policy_id(plain.cookie);
        let conversation = Conversation::new(id, self.role, is_joined).within(before, self.is_reset);
        self.sessions.push(Session {
            key: plain.key,
            library: plain.library,
            conversation,
            last_written_ns: 0,
            told: [0; 2],
        });
        Some(at)
    }

    fn hold(
        &mut self,
        session: usize,
        plain: &Plaintext<'_>,
        tls_ns: u64,
        is_after_loss: bool,
        s: &mut Surroundings<'_>,
    ) {
        while self.held_bytes + plain.payload.len() > HELD_BYTES && !self.held.is_empty() {
            self.send_first(s);
        }
        self.held_bytes += plain.payload.len();
        self.held.push_back(Held {
            session,
            offset: plain.offset,
            length: plain.length,
            skipped: plain.skipped,
            payload: plain.payload.to_vec(),
            tail: plain.tail,
            is_pieces: plain.is_pieces,
            facts: OperationFacts { tls_ns: Some(tls_ns), ..facts_of_call(plain) },
            sent_at: self.owed,
            is_after_loss,
        });
    }

    /// What has been sent meanwhile, or waits since before `deadline_ns`.
    fn send_held(&mut self, deadline_ns: u64, s: &mut Surroundings<'_>) {
        while self.held.front().is_some_and(|held| held.sent_at <= self.sent || held.facts.end_ns <= deadline_ns) {
            self.send_first(s);
        }
    }

    /// Neither plaintext nor operations before the offset `until` are all known: whose the operation there is cannot be told.
    fn is_doubtful(&self, until: u64) -> bool {
        until > self.sent && self.held.iter().any(|held| held.is_after_loss)
    }

    /// What was sent before the offset `until` by operations of which no event told: the next one is not its own.
    fn send_unseen(&mut self, until: u64, s: &mut Surroundings<'_>) {
        while self.held.front().is_some_and(|held| held.sent_at <= until) {
            self.send_first(s);
        }
    }

    fn send_first(&mut self, s: &mut Surroundings<'_>) {
        let Some(held) = self.held.pop_front() else {
            return;
        };
        self.held_bytes -= held.payload.len();
        let plain = Plaintext {
            key: self.sessions[held.session].key,
            library: "",
            direction: TX,
            offset: held.offset,
            length: held.length,
            skipped: held.skipped,
            payload: &held.payload,
            tail: held.tail,
            is_pieces: held.is_pieces,
            start_ns: held.facts.start_ns.unwrap_or(held.facts.end_ns),
            end_ns: held.facts.end_ns,
            is_nested: false,
            cookie: 0,
            tgid: held.facts.tgid,
            number: held.facts.number,
        };
        let tls_ns = held.facts.tls_ns.unwrap_or(held.facts.end_ns);
        let arrival = Arrival { tls_ns, is_late: false, is_after_loss: held.is_after_loss };
        self.give(held.session, &plain, arrival, s);
    }

    /// Plaintext with the operations that carried it.
    fn give(&mut self, session: usize, plain: &Plaintext<'_>, arrival: Arrival, s: &mut Surroundings<'_>) {
        let (direction, chunk) = (plain.direction, chunk_of(plain));
        let mut pending = std::mem::take(&mut self.pending[direction]);
        // Of what is told late, only the operation that can have carried it.
        let until = match direction {
            RX => pending.partition_point(|each| each.facts.end_ns <= plain.end_ns),
            _ if arrival.is_late => pending.partition_point(|each| each.facts.end_ns < plain.end_ns) + 1,
            _ => pending.len(),
        };
        self.pending[direction] = pending.split_off(until.min(pending.len()));
        let mut before = pending.len();
        self.drop_handshake(&mut pending, plain);
        if arrival.is_after_loss {
            before -= drop_lost(&mut pending, plain, s.ledger);
        }
        let last = pending.pop().map(|each| each.facts);
        pending.retain(|each| !each.is_control);
        let earlier: Vec<OperationFacts> = pending.iter().map(|each| each.facts).collect();
        s.ledger.lose(Cause::TlsControl, (before - earlier.len()) as u64 - u64::from(last.is_some()));
        let facts = last.or(self.maybe_source(session, plain)).unwrap_or_else(|| facts_of_call(plain));
        if last.is_some() {
            self.claimed[direction] = last;
        }
        let facts = OperationFacts { tls_ns: Some(arrival.tls_ns), ..facts };
        let whole = Chunk {
            offset: plain.offset,
            length: plain.length,
            skipped: plain.skipped,
            data: chunk.data,
            hole: chunk.hole,
            tail: chunk.tail,
            pieces: chunk.pieces,
            facts: &facts,
            earlier: &earlier,
            is_repeated: last.is_none(),
            // The call itself, and what it claimed.
            units: 1 + earlier.len() as u64 + u64::from(last.is_some()),
            is_accounted: false,
        };
        let before = s.finished.len();
        if let Some(found) = self.sessions.get_mut(session) {
            found.conversation.data(direction, whole, s);
        }
        name_session(session, before, s);
    }

    /// The operation that was claimed before, if it can have carried this too: the one that did may be lost.
    fn maybe_source(&self, session: usize, plain: &Plaintext<'_>) -> Option<OperationFacts> {
        let claimed = self.claimed[plain.direction]?;
        let session = self.sessions.get(session)?;
        let is_possible = match (plain.direction, session.conversation.spoken()) {
            (TX, _) => claimed.end_ns >= plain.start_ns,
            // One side speaks after the other: what it says now came after what it was told.
            (_, Some(Spoken::Http11)) => claimed.end_ns >= session.last_written_ns,
            _ => true,
        };
        is_possible.then_some(claimed)
    }

    /// Where no hook tells the end of the handshake: what was moved before this call was part of it, if this is the first.
    fn drop_handshake(&self, pending: &mut Vec<Pending>, plain: &Plaintext<'_>) {
        let end_ns = self.handshake.end_ns.unwrap_or(0);
        let is_first = plain.offset == 0 && plain.is_nested && end_ns == 0;
        pending.retain(|each| each.facts.end_ns > end_ns && !(is_first && each.facts.end_ns < plain.start_ns));
    }

    /// The handshake is over.
    pub fn shaken(&mut self, start_ns: u64, end_ns: u64) {
        self.handshake.done(start_ns, end_ns);
    }

    pub fn reset(&mut self) {
        self.is_reset = true;
        self.sessions.iter_mut().for_each(|session| session.conversation.reset());
    }

    /// Time has passed.
    pub fn tick(&mut self, s: &mut Surroundings<'_>) {
        self.send_held(s.now_ns.saturating_sub(SENDING_NS), s);
        for (index, session) in self.sessions.iter_mut().enumerate() {
            let before = s.finished.len();
            session.conversation.tick(s);
            name_session(index, before, s);
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        self.send_held(u64::MAX, s);
        for (index, session) in self.sessions.iter_mut().enumerate() {
            let before = s.finished.len();
            session.conversation.finish(s);
            name_session(index, before, s);
        }
        let cause = if self.is_readable() { Cause::TlsControl } else { Cause::TlsOpaque };
        s.ledger.lose(cause, self.take_pending());
    }

    /// Everything is dropped, for `cause`.
    pub fn abandon(&mut self, cause: Cause, ledger: &mut Ledger) {
        for session in &mut self.sessions {
            session.conversation.abandon(cause, ledger);
        }
        ledger.lose(cause, self.take_pending());
    }

    fn take_pending(&mut self) -> u64 {
        self.pending.iter_mut().map(|pending| std::mem::take(pending).len() as u64).sum()
    }

    /// No library has shown its plaintext for so many operations that none will.
    pub fn is_opaque(&self) -> bool {
        !self.is_readable() && self.silent >= LOOKS
    }
}

/// Operations whose plaintext was lost are not this call's: what it moved itself is, else the last that can have carried it.
fn drop_lost(pending: &mut Vec<Pending>, plain: &Plaintext<'_>, ledger: &mut Ledger) -> usize {
    let before = pending.len();
    let since_ns = match plain.direction {
        TX if plain.is_nested => plain.start_ns,
        TX => plain.end_ns,
        _ => plain.start_ns.min(pending.last().map_or(0, |each| each.facts.end_ns)),
    };
    pending.retain(|each| each.is_control || each.facts.end_ns >= since_ns);
    let dropped = before - pending.len();
    ledger.lose(Cause::TlsLost, dropped as u64);
    dropped
}

/// The exchanges that are over since there were `before` are this session's.
fn name_session(index: usize, before: usize, s: &mut Surroundings<'_>) {
    for exchange in s.finished.iter_mut().skip(before) {
        exchange.session = Some(index as u8);
    }
}

/// How plaintext came.
#[derive(Clone, Copy)]
struct Arrival {
    tls_ns: u64,
    /// After the operation that carried it.
    is_late: bool,
    /// What came before it was lost.
    is_after_loss: bool,
}

/// The copied bytes of a call.
struct Unmoved<'a> {
    data: &'a [u8],
    hole: u64,
    tail: &'a [u8],
    pieces: &'a [u8],
}

fn chunk_of<'a>(plain: &Plaintext<'a>) -> Unmoved<'a> {
    if plain.is_pieces {
        return Unmoved { data: &[], hole: 0, tail: &[], pieces: plain.payload };
    }
    let (data, tail) = plain.payload.split_at(plain.payload.len().saturating_sub(plain.tail));
    let hole = plain.length.saturating_sub(plain.skipped + plain.payload.len() as u64);
    Unmoved { data, hole, tail, pieces: &[] }
}

/// The call itself, where the operation is not known.
fn facts_of_call(plain: &Plaintext<'_>) -> OperationFacts {
    OperationFacts {
        number: plain.number,
        start_ns: Some(plain.start_ns),
        end_ns: plain.end_ns,
        syscall: Syscall::Other,
        is_write: plain.direction == TX,
        tgid: plain.tgid,
        measured: Measured::NOTHING,
        tls_ns: None,
    }
}
