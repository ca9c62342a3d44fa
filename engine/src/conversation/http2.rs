//! HTTP/2: the exchanges of a connection by their streams.

use std::sync::Arc;

use rover_parsers::http1::Limits;
use rover_parsers::http2::{Closed, Connection, Event, Role, StreamRef};

use super::{emit, Piece, Source, Step, Surroundings};
use crate::event::ToldTable;
use crate::exchange::{Exchange, Half, Head};
use crate::ledger::Cause;

/// The exchanges under way on a connection.
#[derive(Debug)]
pub struct Http2 {
    parser: Connection,
    /// What the parser tells of one piece; its room is used again.
    events: Vec<Event>,
    /// By the parser's slot.
    open: Vec<Option<Box<Exchange>>>,
    /// Heads that began an exchange.
    pub exchanges: u32,
    pub is_reset: bool,
    /// Header blocks that referred to unknown entries, and when the first one did.
    partial_blocks: u64,
    lacks_since_ns: u64,
}

/// How long the entries that a connection lacks are looked for: what was not found by then never will be.
const LACKS_NS: u64 = 60_000_000_000;

impl Http2 {
    /// `is_joining`: in mid-stream.
    pub fn new(is_joining: bool, limits: &Arc<Limits>) -> Http2 {
        let parser = if is_joining { Connection::joining } else { Connection::new };
        Http2 {
            parser: parser(Arc::clone(limits)),
            events: Vec::new(),
            open: Vec::new(),
            exchanges: 0,
            is_reset: false,
            partial_blocks: 0,
            lacks_since_ns: 0,
        }
    }

    /// Behind an upgrade from HTTP/1: `exchange` has its request already, and is stream 1.
    pub fn upgraded(exchange: Exchange, exchanges: u32, limits: &Arc<Limits>) -> Http2 {
        let mut events = Vec::new();
        let parser = Connection::upgraded(Arc::clone(limits), &mut events);
        let mut http = Http2 {
            parser,
            events: Vec::new(),
            open: Vec::new(),
            exchanges,
            is_reset: false,
            partial_blocks: 0,
            lacks_since_ns: 0,
        };
        for event in events {
            if let Event::Opened { stream } = event {
                http.open_at(stream, Exchange { stream: Some(stream.id), ..exchange });
                break;
            }
        }
        http
    }

    pub fn open_exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.open.iter_mut().flatten().map(Box::as_mut).filter(|exchange| exchange.number > 0)
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        self.open.iter().flatten().map(Box::as_ref).find(|exchange| exchange.number == number)
    }

    /// A response is next, and there is no request that it could answer.
    pub fn lacks_request(&self, piece: Piece<'_>) -> bool {
        matches!(piece, Piece::Bytes(bytes) if self.parser.awaits_request(bytes))
    }

    /// The next bytes of a direction, or as many that were not copied.
    pub fn step(&mut self, role: Role, piece: Piece<'_>, source: &mut Source<'_>, s: &mut Surroundings<'_>) -> Step {
        let mut events = std::mem::take(&mut self.events);
        let consumed = match piece {
            Piece::Missing(bytes) => {
                self.parser.gap(role, bytes, source.facts.end_ns, &mut events);
                bytes
            }
            Piece::Bytes(bytes) => {
                self.parser.feed(role, bytes, source.facts.end_ns, &mut events);
                bytes.len() as u64
            }
        };
        let is_refused = self.take(&mut events, Some(source), s);
        self.events = events;
        s.lacks_table |= self.lacks_table(s.now_ns);
        Step { consumed, is_done: is_refused, is_refused }
    }

    /// Since the last call.
    fn lacks_table(&mut self, now_ns: u64) -> bool {
        let partial_blocks = self.parser.counters().partial_blocks;
        if partial_blocks == self.partial_blocks {
            return false;
        }
        self.partial_blocks = partial_blocks;
        if self.lacks_since_ns == 0 {
            self.lacks_since_ns = now_ns;
        }
        now_ns.saturating_sub(self.lacks_since_ns) < LACKS_NS
    }

    /// The HPACK table of a direction, seen right before a block.
    pub fn tell_table(&mut self, role: Role, told: &ToldTable<'_>) {
        // One that does not fit is none of this connection's, or of another block.
        self.parser.tell_table(role, told.block, &told.entries);
    }

    /// Bytes of which there is no operation.
    pub fn miss(&mut self, role: Role, bytes: u64, last_ns: u64, s: &mut Surroundings<'_>) {
        let mut events = std::mem::take(&mut self.events);
        self.parser.gap(role, bytes, last_ns, &mut events);
        self.take(&mut events, None, s);
        self.events = events;
        // What a message of which nothing more comes has lost, nobody can tell.
        for exchange in self.open.iter_mut().flatten() {
            exchange.has_gap |= !self.parser.is_in_step(role);
        }
    }

    /// What is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        let mut events = std::mem::take(&mut self.events);
        self.parser.close(&mut events);
        self.take(&mut events, None, s);
        for exchange in std::mem::take(&mut self.open).into_iter().flatten() {
            self.settle(*exchange, s);
        }
    }

    /// Everything is dropped: how many operations were in no record.
    pub fn abandon(&mut self) -> u64 {
        let open = std::mem::take(&mut self.open);
        open.into_iter().flatten().map(|exchange| exchange.events() - exchange.reported_events).sum()
    }

    /// True: this is not HTTP/2.
    fn take(&mut self, events: &mut Vec<Event>, mut moved: Option<&mut Source<'_>>, s: &mut Surroundings<'_>) -> bool {
        let mut is_refused = false;
        for event in events.drain(..) {
            match event {
                Event::Opened { stream } => {
                    self.open_at(stream, Exchange { stream: Some(stream.id), ..Exchange::default() });
                }
                Event::Carried { role, stream: Some(stream), bytes } => {
                    if let (Some(half), Some(source)) = (self.half(stream, role), &mut moved) {
                        source.account(&mut half.operations, bytes);
                    }
                }
                Event::Head { stream, role, head } => {
                    let begin_ns = moved.as_ref().map(|source| source.facts.begin_ns());
                    self.begin(stream, role, head.into(), begin_ns);
                }
                Event::Interim { stream, status } => self.interim(stream, status),
                Event::Complete { stream, role, message } => {
                    if let Some(half) = self.half(stream, role) {
                        half.done = Some(message.into());
                    }
                }
                Event::Closed { stream, closed } => self.close(stream, &closed, s),
                Event::Carried { stream: None, .. } | Event::Goaway { .. } => {}
                Event::NotHttp2 => is_refused = true,
            }
        }
        is_refused
    }

    fn open_at(&mut self, stream: StreamRef, exchange: Exchange) {
        let slot = stream.slot as usize;
        if self.open.len() <= slot {
            self.open.resize_with(slot + 1, || None);
        }
        self.open[slot] = Some(Box::new(exchange));
    }

    fn exchange(&mut self, stream: StreamRef) -> Option<&mut Exchange> {
        self.open.get_mut(stream.slot as usize)?.as_deref_mut()
    }

    fn half(&mut self, stream: StreamRef, role: Role) -> Option<&mut Half> {
        let exchange = self.exchange(stream)?;
        let half = if role == Role::Request { &mut exchange.request } else { &mut exchange.response };
        Some(half.get_or_insert_default())
    }

    fn begin(&mut self, stream: StreamRef, role: Role, head: Head, operation_ns: Option<u64>) {
        let exchanges = self.exchanges + 1;
        let Some(exchange) = self.exchange(stream) else {
            return;
        };
        let is_tunnel = role == Role::Response
            && head.status().is_some_and(|status| (200..300).contains(&status))
            && exchange.request.as_ref().and_then(|half| half.head.as_ref()).is_some_and(Head::is_connect);
        exchange.is_upgraded |= is_tunnel;
        let is_new = exchange.number == 0;
        if is_new {
            exchange.number = exchanges;
        }
        if let Some(half) = self.half(stream, role) {
            // Of a head in several operations, the first one.
            let operations_ns = (half.operations.count > 0).then_some(half.operations.begin_ns);
            half.begin_ns = operations_ns.or(operation_ns).unwrap_or_else(|| head.start_ns());
            half.head = Some(head);
        }
        if is_new {
            self.exchanges = exchanges;
        }
    }

    fn interim(&mut self, stream: StreamRef, status: u16) {
        if let Some(exchange) = self.exchange(stream) {
            exchange.interim.push(status);
            if let Some(half) = &mut exchange.response {
                let operations = std::mem::take(&mut half.operations);
                exchange.interim_operations.get_or_insert_default().append(operations);
            }
        }
    }

    fn close(&mut self, stream: StreamRef, closed: &Closed, s: &mut Surroundings<'_>) {
        let Some(mut exchange) = self.open.get_mut(stream.slot as usize).and_then(Option::take) else {
            return;
        };
        let halves = [&mut exchange.request, &mut exchange.response];
        for (half, total) in halves.into_iter().zip(closed.total_bytes) {
            if let Some(done) = half.as_mut().and_then(|half| half.done.as_mut()) {
                done.bytes = done.bytes.max(total);
            }
        }
        let is_answered = exchange.response.as_ref().and_then(|half| half.done.as_ref()).is_some_and(|d| d.complete);
        exchange.is_reset = closed.reset.is_some() && !is_answered;
        exchange.has_gap |= closed.dropped;
        self.settle(*exchange, s);
    }

    /// What has no head at all was there before rover; a half without one says nothing but its operations.
    fn settle(&mut self, mut exchange: Exchange, s: &mut Surroundings<'_>) {
        if exchange.number == 0 {
            s.ledger.lose(Cause::MidStream, exchange.events());
            return;
        }
        let Exchange { request, response, .. } = &mut exchange;
        give_up_headless(request, response);
        give_up_headless(response, request);
        emit(exchange, self.is_reset, s.finished);
    }
}

/// What is known of a message without its head is the operations, for which the other one answers then.
fn give_up_headless(half: &mut Option<Half>, other: &mut Option<Half>) {
    if let Some(headless) = half.take_if(|half| half.head.is_none()) {
        if let Some(other) = other {
            other.operations.events += headless.operations.events;
        }
    }
}
