//! One TCP connection: who is at its ends, what TCP and the layers tell of it, and what is spoken on it.

use std::sync::Arc;

use rover_reporters::record::{Operation, OperationSum, Protocol as Spoken, Side, Tls};

use crate::conversation::{Chunk, Conversation, Surroundings, RX, TX};
use crate::core::{Far, Told};
use crate::event::{LayersBefore, ToldTable};
use crate::events::{self, ConnectionEvent, DataEvent};
use crate::exchange::{syscall_of, DroppedPackets, Exchange, OperationFacts};
use crate::handshake::is_record;
use crate::hooks::Figures;
use crate::layers::{Measured, Meter};
use crate::ledger::{Cause, Ledger};
use crate::policy::{Policy, Steering};
use crate::secure::{Plaintext, Secure};

/// A connection is kept this long after its socket is gone: events of other CPUs may still be in the ring.
const LINGER_NS: u64 = 50_000_000;
/// After a reset what was received can still be read; the exchange is not kept waiting for that longer than this.
const RESET_LINGER_NS: u64 = 200_000_000;
/// A route may change; more often than this within one connection it is not followed.
const INTERFACES: usize = 4;
/// Kinds of drops that wait for an exchange to be told with; the rest is only in the connection's retransmits.
const DROPS: usize = 16;

/// State of one connection.
#[derive(Debug)]
pub struct Connection {
    pub id: u64,
    pub local: [u8; 16],
    pub remote: [u8; 16],
    pub local_port: u16,
    pub remote_port: u16,
    /// From the handshake; unknown for one older than rover until its first message.
    pub role: Option<Side>,
    pub is_pre_existing: bool,
    pub opened_ns: Option<u64>,
    pub handshake_ns: Option<u64>,
    pub rtt_ns: Option<u64>,
    pub last_active_ns: u64,
    /// Process of the last operation.
    pub owner: u32,
    /// It is in the list of those that wait for time to pass.
    pub is_attended: bool,
    /// Rover's own: known by the engine, never looked at.
    pub is_own: bool,
    /// No session of TLS could be found to belong to any connection: the ends are not known.
    pub is_unbound: bool,
    /// In clear: nothing, or a tunnel, where `secure` is.
    conversation: Conversation,
    secure: Option<Box<Secure>>,
    is_reset: bool,
    pub finish_at_ns: Option<u64>,
    is_socket_gone: bool,
    /// What the kernel side was told of its operations once plaintext was seen.
    tls_policy: Policy,
    pub meter: Meter,
    /// Bytes received and sent since it was opened, or since rover saw it.
    pub moved: [u64; 2],
    /// Interfaces that its packets pass, by the number that they have in the socket's network namespace.
    interfaces: Vec<(u32, Arc<str>)>,
    /// Thrown away by the kernel, and in no exchange yet.
    drops: Vec<DroppedPackets>,
    /// First seen.
    pub seen_ns: u64,
    /// The other end, once it was asked for.
    pub far: Option<Box<Far>>,
    /// Its opening waits to be told until it is known what it speaks.
    pub has_opening: bool,
    /// Operations without an event of their own, as last told.
    pub told: Told,
    /// Those with one, by direction, while there is no exchange that they could belong to.
    loose: Vec<OperationSum>,
}

pub fn known(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

impl Connection {
    /// As the first event of it tells.
    pub fn new(event: &DataEvent) -> Connection {
        let role = match u32::from(event.role) {
            events::ROLE_SERVER => Some(Side::Server),
            events::ROLE_CLIENT => Some(Side::Client),
            _ => None,
        };
        let is_pre_existing = u32::from(event.flags) & events::DATA_PRE_EXISTING != 0;
        Connection {
            id: event.cookie,
            local: event.local,
            remote: event.remote,
            local_port: event.local_port,
            remote_port: event.remote_port,
            role,
            is_pre_existing,
            opened_ns: known(event.opened_ns),
            handshake_ns: known(u64::from(event.handshake_us) * 1000),
            rtt_ns: None,
            last_active_ns: event.end_ns,
            owner: event.tgid,
            is_attended: false,
            is_own: false,
            is_unbound: false,
            conversation: Conversation::new(event.cookie, role, is_pre_existing),
            secure: None,
            is_reset: false,
            finish_at_ns: None,
            is_socket_gone: false,
            tls_policy: Policy::default(),
            meter: Meter::default(),
            moved: [0; 2],
            interfaces: Vec::new(),
            drops: Vec::new(),
            seen_ns: event.end_ns,
            far: None,
            has_opening: false,
            told: Told::default(),
            loose: Vec::new(),
        }
    }

    /// For sessions of TLS of which nobody knows the connection.
    pub fn unbound(id: u64, tgid: u32, now_ns: u64) -> Connection {
        let event = DataEvent { cookie: id, tgid, end_ns: now_ns, ..DataEvent::default() };
        let mut secure = Secure::new(None, true, 0);
        secure.is_unbound = true;
        Connection { is_unbound: true, secure: Some(Box::new(secure)), ..Connection::new(&event) }
    }

    /// The session or its process is gone. No socket tells the end of such a connection.
    pub fn end_unbound(&mut self, now_ns: u64) {
        if self.is_unbound && !self.is_socket_gone {
            self.is_socket_gone = true;
            self.finish_at_ns = Some(now_ns + LINGER_NS);
        }
    }

    /// The conversation that tells what this connection is for.
    fn spoken_in(&self) -> &Conversation {
        let secure = self.secure.as_ref().and_then(|secure| secure.maybe_conversation());
        secure.unwrap_or(&self.conversation)
    }

    /// What it was found to speak; none: not HTTP, or not known yet.
    pub fn spoken(&self) -> Option<Spoken> {
        self.spoken_in().spoken()
    }

    pub fn is_tls(&self) -> bool {
        self.secure.is_some()
    }

    /// TLS of which no library has shown the plaintext so far.
    pub fn is_unread_tls(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| !secure.is_readable())
    }

    /// The same for so long that none will.
    pub fn is_opaque_tls(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| secure.is_opaque())
    }

    /// The TLS that an exchange was under.
    pub fn maybe_tls(&self, exchange: &Exchange) -> Option<Tls> {
        self.secure.as_ref()?.maybe_tls(exchange)
    }

    pub fn maybe_interface(&self, index: u32) -> Option<&Arc<str>> {
        self.interfaces.iter().find(|(known, _)| *known == index).map(|(_, name)| name)
    }

    pub fn name_interface(&mut self, index: u32, name: Arc<str>) {
        if let Some(known) = self.interfaces.iter_mut().find(|(known, _)| *known == index) {
            known.1 = name;
        } else if self.interfaces.len() < INTERFACES {
            self.interfaces.push((index, name));
        }
    }

    /// An IPv4 address is kept as ::ffff:a.b.c.d.
    pub fn is_v6(&self) -> bool {
        self.local[..10] != [0; 10] || self.local[10..12] != [0xff; 2]
    }

    pub fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// The kernel threw packets of it away.
    pub fn dropped(&mut self, drop: DroppedPackets) {
        let is_same = |known: &DroppedPackets| {
            known.is_sent == drop.is_sent && known.reason == drop.reason && known.location == drop.location
        };
        if let Some(known) = self.drops.iter_mut().find(|known| is_same(known)) {
            known.count += drop.count;
        } else if self.drops.len() < DROPS {
            self.drops.push(drop);
        }
    }

    fn measure(&mut self, event: &DataEvent, layers: &LayersBefore, figures: &Figures) -> Measured {
        let is_v6 = self.is_v6();
        match layers {
            LayersBefore::None => Measured::default(),
            LayersBefore::Sent(now) => {
                let l4_ns = known(event.start_ns).map(|start| event.end_ns.saturating_sub(start));
                self.meter.sent(now, figures, is_v6, self.is_pre_existing, l4_ns)
            }
            LayersBefore::Received(now) => self.meter.received(now, figures, is_v6),
        }
    }

    /// The side that is observed: by the direction of the requests.
    pub fn side(&self) -> Side {
        self.spoken_in().side()
    }

    /// The side in which an exchange was seen.
    pub fn side_of(&self, exchange: &Exchange) -> Side {
        let secure = self.secure.as_ref().and_then(|secure| secure.side_of(exchange));
        secure.unwrap_or_else(|| self.conversation.side())
    }

    /// Something waits for time to pass.
    pub fn needs_attention(&self) -> bool {
        self.finish_at_ns.is_some()
            || self.conversation.needs_attention()
            || self.secure.as_ref().is_some_and(|secure| secure.needs_attention())
    }

    /// Bytes that wait.
    pub fn held_bytes(&self) -> usize {
        self.conversation.held_bytes() + self.secure.as_ref().map_or(0, |secure| secure.held_bytes())
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.is_socket_gone && self.finish_at_ns.is_none()
    }

    /// Exchanges under way, for those that last long.
    pub fn open_exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let secure = self.secure.iter_mut().flat_map(|secure| secure.open_exchanges());
        self.conversation.open_exchanges().chain(secure)
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        let secure = || self.secure.as_ref().and_then(|secure| secure.maybe_open_exchange(number));
        self.conversation.maybe_open_exchange(number).or_else(secure)
    }

    /// A socket operation.
    pub fn data(
        &mut self,
        event: &DataEvent,
        layers: &LayersBefore,
        payload: &[u8],
        number: u64,
        s: &mut Surroundings<'_>,
    ) {
        self.last_active_ns = event.end_ns;
        self.owner = event.tgid;
        self.rtt_ns = known(u64::from(event.rtt_us) * 1000);
        if self.is_own {
            s.ledger.lose(Cause::OwnReporting, 1);
            return;
        }
        let direction = usize::from(event.direction);
        let moved = &mut self.moved[direction];
        *moved = (*moved).max(event.offset + u64::from(event.length));
        let measured = self.measure(event, layers, s.figures);
        *s.contradictions += u64::from(measured.is_contradictory);
        let facts = OperationFacts {
            number,
            start_ns: known(event.start_ns),
            end_ns: event.end_ns,
            syscall: syscall_of(event.syscall),
            is_write: direction == TX,
            tgid: event.tgid,
            measured,
            tls_ns: None,
        };
        if !self.has_exchanges() {
            self.keep_loose(&facts, u64::from(event.length));
        }
        let before = s.finished.len();
        let is_clear = self.conversation.is_decided();
        let begin = if event.skipped == 0 { payload } else { &[] };
        if !is_clear && self.secure.is_none() && is_record(begin) {
            self.secure = Some(Box::new(Secure::new(self.role, self.is_pre_existing, 0)));
        }
        if is_clear || self.secure.is_none() {
            self.conversation.data(direction, chunk_of(event, payload, &facts), s);
        }
        if let Some(secure) = &mut self.secure {
            let place = event.offset..event.offset + u64::from(event.length);
            secure.operation(direction, &facts, place, begin, is_clear, s);
        }
        self.tell_drops(before, s);
        if self.has_exchanges() {
            self.loose = Vec::new();
        }
    }

    fn has_exchanges(&self) -> bool {
        self.conversation.has_exchanges() || self.secure.as_ref().is_some_and(|secure| secure.has_exchanges())
    }

    /// A call of a TLS library.
    pub fn plaintext(&mut self, plain: &Plaintext<'_>, s: &mut Surroundings<'_>) {
        self.last_active_ns = plain.end_ns;
        if self.is_own {
            s.ledger.lose(Cause::OwnReporting, 1);
            return;
        }
        let before = s.finished.len();
        let (role, is_older) = (self.role, self.is_pre_existing);
        let exchanges_before = self.conversation.exchanges();
        let secure = self.secure.get_or_insert_with(|| Box::new(Secure::new(role, is_older, exchanges_before)));
        secure.plaintext(plain, s);
        // In a tunnel the operations are the tunnel's.
        let is_hidden = self.conversation.spoken().is_none() && !self.is_unbound;
        let policy = if secure.is_not_http() { Policy::NOTHING } else { Policy::OPERATIONS };
        if is_hidden && policy != self.tls_policy {
            self.tls_policy = policy;
            s.steering.steer(self.id, policy);
        }
        self.tell_drops(before, s);
        if self.has_exchanges() {
            self.loose = Vec::new();
        }
    }

    /// The HPACK table of a direction, seen right before a block.
    pub fn tell_table(&mut self, direction: usize, told: &ToldTable<'_>) {
        match &mut self.secure {
            Some(secure) => secure.tell_table(direction, told),
            None => self.conversation.tell_table(direction, told),
        }
    }

    /// The handshake of TLS is over.
    pub fn shaken(&mut self, start_ns: u64, end_ns: u64) {
        if let Some(secure) = &mut self.secure {
            secure.shaken(start_ns, end_ns);
        }
    }

    /// No library shows the plaintext: it is not looked at any more, unless one does later.
    pub fn give_up_tls(&mut self, s: &mut Surroundings<'_>) {
        if let Some(mut secure) = self.secure.take() {
            secure.finish(s);
            self.conversation.refuse(s);
        }
    }

    /// Packets that were thrown away while the first of the exchanges that are over now was under way.
    fn tell_drops(&mut self, before: usize, s: &mut Surroundings<'_>) {
        if let Some(exchange) = s.finished.get_mut(before).filter(|_| !self.drops.is_empty()) {
            exchange.drops = std::mem::take(&mut self.drops);
        }
    }

    /// An operation that is in no exchange so far.
    fn keep_loose(&mut self, facts: &OperationFacts, bytes: u64) {
        let operation = Operation {
            is_write: facts.is_write,
            syscall: facts.syscall,
            start_ns: facts.start_ns,
            end_ns: facts.end_ns,
            bytes,
            layers: facts.measured.layers(),
            interface: facts.measured.interface,
        };
        match self.loose.iter_mut().find(|sum| sum.last.is_write == facts.is_write) {
            Some(sum) => sum.add(&OperationSum { last: operation, count: 1 }),
            None => self.loose.push(OperationSum { last: operation, count: 1 }),
        }
    }

    pub fn has_loose(&self) -> bool {
        self.spoken_in().is_not_http() && !self.loose.is_empty()
    }

    /// Operations that belong to no exchange and never will; `is_last`: whatever may still be found out.
    pub fn take_loose(&mut self, is_last: bool) -> Vec<OperationSum> {
        if self.spoken_in().is_not_http() || is_last {
            std::mem::take(&mut self.loose)
        } else {
            Vec::new()
        }
    }

    /// A change of the connection itself.
    pub fn changed(&mut self, event: &ConnectionEvent, s: &mut Surroundings<'_>) {
        let before = s.finished.len();
        match u32::from(event.change) {
            events::CONNECTION_RX_END => self.conversation.set_end(RX, event.rx_end, s),
            events::CONNECTION_TX_END => self.conversation.set_end(TX, event.tx_end, s),
            events::CONNECTION_RESET => {
                self.is_reset = true;
                self.conversation.reset();
                self.secure.iter_mut().for_each(|secure| secure.reset());
                self.finish_at_ns.get_or_insert(event.time_ns + RESET_LINGER_NS);
            }
            events::CONNECTION_CLOSED => {
                self.is_socket_gone = true;
                self.conversation.set_end(RX, event.rx_end, s);
                self.conversation.set_end(TX, event.tx_end, s);
                self.finish_at_ns = Some(event.time_ns + LINGER_NS);
            }
            _ => s.ledger.lose(Cause::BadEvent, 0),
        }
        self.tell_drops(before, s);
    }

    /// Time has passed.
    pub fn tick(&mut self, s: &mut Surroundings<'_>) {
        let before = s.finished.len();
        self.conversation.tick(s);
        self.secure.iter_mut().for_each(|secure| secure.tick(s));
        self.tell_drops(before, s);
        // A thread that was stopped in its last call still has to tell of it, if others wait for that.
        let is_waiting = self.conversation.needs_attention();
        let latest_ns = if is_waiting { s.patience.deadline_ns(s.now_ns, false) } else { s.now_ns };
        if self.finish_at_ns.is_some_and(|at| at <= latest_ns) {
            self.finish(s);
        }
    }

    /// Nothing more will come: what is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        self.finish_at_ns = None;
        let before = s.finished.len();
        self.secure.iter_mut().for_each(|secure| secure.finish(s));
        self.conversation.finish(s);
        self.tell_drops(before, s);
    }

    /// Everything is dropped, for `cause`.
    pub fn abandon(&mut self, cause: Cause, ledger: &mut Ledger) {
        self.conversation.abandon(cause, ledger);
        self.secure.iter_mut().for_each(|secure| secure.abandon(cause, ledger));
    }

    /// Rover's own reporting: nothing of it is wanted.
    pub fn disown(&mut self, steering: &mut dyn Steering) {
        self.is_own = true;
        steering.steer(self.id, Policy::NOTHING);
    }
}

/// The bytes of an operation as far as they were copied.
fn chunk_of<'a>(event: &DataEvent, payload: &'a [u8], facts: &'a OperationFacts) -> Chunk<'a> {
    let is_pieces = u32::from(event.flags) & events::DATA_PIECES != 0;
    let (payload, pieces) = if is_pieces { (&[][..], payload) } else { (payload, &[][..]) };
    let (data, tail) = payload.split_at(payload.len().saturating_sub(event.tail as usize));
    let hole = if is_pieces { 0 } else { u64::from(event.length - event.skipped - event.captured) };
    Chunk {
        offset: event.offset,
        length: u64::from(event.length),
        skipped: u64::from(event.skipped),
        data,
        hole,
        tail,
        pieces,
        facts,
        earlier: &[],
        is_repeated: false,
        units: 1,
        is_accounted: false,
    }
}
