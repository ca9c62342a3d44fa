//! One TCP connection: who is at its ends, what TCP and the layers tell of it, and what is spoken on it.

use std::sync::Arc;

use rover_reporters::record::{Operation, OperationSum, Protocol as Spoken, Side};

use crate::conversation::{Chunk, Conversation, Surroundings, RX, TX};
use crate::core::Told;
use crate::event::LayersBefore;
use crate::events::{self, ConnectionEvent, DataEvent};
use crate::exchange::{syscall_of, DroppedPackets, Exchange, OperationFacts};
use crate::hooks::Figures;
use crate::layers::{Measured, Meter};
use crate::ledger::{Cause, Ledger};
use crate::policy::{Policy, Steering};

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
    conversation: Conversation,
    is_reset: bool,
    finish_at_ns: Option<u64>,
    is_socket_gone: bool,
    pub meter: Meter,
    /// Bytes received and sent since it was opened, or since rover saw it.
    pub moved: [u64; 2],
    /// Interfaces that its packets pass, by the number that they have in the socket's network namespace.
    interfaces: Vec<(u32, Arc<str>)>,
    /// Thrown away by the kernel, and in no exchange yet.
    drops: Vec<DroppedPackets>,
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
            conversation: Conversation::new(event.cookie, role, is_pre_existing),
            is_reset: false,
            finish_at_ns: None,
            is_socket_gone: false,
            meter: Meter::default(),
            moved: [0; 2],
            interfaces: Vec::new(),
            drops: Vec::new(),
            has_opening: false,
            told: Told::default(),
            loose: Vec::new(),
        }
    }

    /// What it was found to speak; none: not HTTP, or not known yet.
    pub fn spoken(&self) -> Option<Spoken> {
        self.conversation.spoken()
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

    /// It is known whether it speaks HTTP.
    pub fn is_decided(&self) -> bool {
        self.conversation.is_decided()
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
        self.conversation.side()
    }

    /// Something waits for time to pass.
    pub fn needs_attention(&self) -> bool {
        self.finish_at_ns.is_some() || self.conversation.needs_attention()
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.is_socket_gone && self.finish_at_ns.is_none()
    }

    /// Exchanges under way, for those that last long.
    pub fn open_exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.conversation.open_exchanges()
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        self.conversation.maybe_open_exchange(number)
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
        let facts = OperationFacts {
            number,
            start_ns: known(event.start_ns),
            end_ns: event.end_ns,
            syscall: syscall_of(event.syscall),
            is_write: direction == TX,
            tgid: event.tgid,
            measured: self.measure(event, layers, s.figures),
            tls_ns: None,
        };
        if !self.conversation.has_exchanges() {
            self.keep_loose(&facts, u64::from(event.length));
        }
        let chunk = chunk_of(event, payload, &facts);
        let before = s.finished.len();
        self.conversation.data(direction, chunk, s);
        self.tell_drops(before, s);
        if self.conversation.has_exchanges() {
            self.loose = Vec::new();
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
        self.conversation.is_not_http() && !self.loose.is_empty()
    }

    /// Operations that belong to no exchange and never will; `is_last`: whatever may still be found out.
    pub fn take_loose(&mut self, is_last: bool) -> Vec<OperationSum> {
        if self.conversation.is_not_http() || is_last {
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
        self.tell_drops(before, s);
        if self.finish_at_ns.is_some_and(|at| at <= s.now_ns) {
            self.finish(s);
        }
    }

    /// Nothing more will come: what is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        self.finish_at_ns = None;
        let before = s.finished.len();
        self.conversation.finish(s);
        self.tell_drops(before, s);
    }

    /// Everything is dropped, for `cause`.
    pub fn abandon(&mut self, cause: Cause, ledger: &mut Ledger) {
        self.conversation.abandon(cause, ledger);
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
        is_accounted: false,
    }
}
