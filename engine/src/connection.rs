//! One TCP connection: which direction carries requests, feeding the parsers in stream order, pairing.
//!
//! Events of one connection come nearly in order. Two exceptions are normal: two threads on one socket, and a
//! response that is read before the writer of its request has come back from its call. Both are waited for, bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use rover_parsers::http1::{Framing, Head, Limits, Output, Parser, RequestContext, Role};
use rover_reporters::record::{Operation, OperationSum, Protocol as Spoken, Side};

use crate::core::Told;
use crate::event::LayersBefore;
use crate::events::{self, ConnectionEvent, DataEvent};
use crate::exchange::{syscall_of, DroppedPackets, Exchange, Half, OperationFacts, Operations};
use crate::hooks::Figures;
use crate::layers::{Measured, Meter};
use crate::ledger::{Cause, Ledger};
use crate::policy::{Policy, Steering};
use crate::stream::{Chunk, Piece, Stream};

/// How long bytes wait for those before them, and a response for its request.
const PATIENCE_NS: u64 = 50_000_000;
/// A connection is kept this long after its socket is gone: events of other CPUs may still be in the ring.
const LINGER_NS: u64 = 50_000_000;
/// After a reset what was received can still be read; the exchange is not kept waiting for that longer than this.
const RESET_LINGER_NS: u64 = 200_000_000;
/// A known body rest from which on it pays not to copy.
const SKIP_BYTES: u64 = 2048;
/// A body of which it pays to copy only what frames it.
const LONG_BYTES: u64 = 32 * 1024;
/// Operations after which an older connection without any message start is taken for something else.
const JOIN_LOOKS: u32 = 64;
/// Where no hook shows the entry of a write, it is taken to lie this much before its exit when a request is compared
/// with what may be its response.
const ENTRY_TOLERANCE_NS: u64 = 1_000_000;

const RX: usize = events::RX as usize;
const TX: usize = events::TX as usize;

/// What the connection works with besides itself.
pub struct Surroundings<'a> {
    pub limits: &'a Arc<Limits>,
    pub ledger: &'a mut Ledger,
    pub steering: &'a mut dyn Steering,
    pub now_ns: u64,
    /// What the attached hooks can fill in.
    pub figures: &'a Figures,
    /// Finished exchanges, in order.
    pub finished: &'a mut Vec<Exchange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Unknown,
    Http1,
    NotHttp,
}

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
    protocol: Protocol,
    streams: [Stream; 2],
    /// Stream that carries requests, once known.
    request_stream: usize,
    looks: u32,
    open: VecDeque<Exchange>,
    exchanges: u32,
    /// Number of the exchange whose request is under way.
    receiving: Option<u32>,
    /// Number of the exchange whose response is under way.
    answering: Option<u32>,
    tunnel: Option<u32>,
    /// Responses may be missing since.
    has_response_gap: bool,
    /// Some message had a long body of announced length: others will.
    has_long_bodies: bool,
    is_reset: bool,
    finish_at_ns: Option<u64>,
    is_socket_gone: bool,
    policy: Policy,
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

/// A route may change; more often than this within one connection it is not followed.
const INTERFACES: usize = 4;
/// Kinds of drops that wait for an exchange to be told with; the rest is only in the connection's retransmits.
const DROPS: usize = 16;

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
        Connection {
            id: event.cookie,
            local: event.local,
            remote: event.remote,
            local_port: event.local_port,
            remote_port: event.remote_port,
            role,
            is_pre_existing: u32::from(event.flags) & events::DATA_PRE_EXISTING != 0,
            opened_ns: known(event.opened_ns),
            handshake_ns: known(u64::from(event.handshake_us) * 1000),
            rtt_ns: None,
            last_active_ns: event.end_ns,
            owner: event.tgid,
            is_attended: false,
            is_own: false,
            protocol: Protocol::Unknown,
            streams: [Stream::default(), Stream::default()],
            request_stream: if role == Some(Side::Client) { TX } else { RX },
            looks: 0,
            open: VecDeque::new(),
            exchanges: 0,
            receiving: None,
            answering: None,
            tunnel: None,
            has_response_gap: false,
            has_long_bodies: false,
            is_reset: false,
            finish_at_ns: None,
            is_socket_gone: false,
            policy: Policy::default(),
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
        (self.protocol == Protocol::Http1).then_some(Spoken::Http11)
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
        self.protocol != Protocol::Unknown
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
        if self.request_stream == RX {
            Side::Server
        } else {
            Side::Client
        }
    }

    /// Something waits for time to pass.
    pub fn needs_attention(&self) -> bool {
        self.finish_at_ns.is_some() || self.streams.iter().any(Stream::has_held)
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.is_socket_gone && self.finish_at_ns.is_none()
    }

    /// Exchanges under way, for those that last long.
    pub fn open_exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.open.iter_mut()
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        self.open.iter().find(|exchange| exchange.number == number)
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
        };
        if self.exchanges == 0 {
            self.keep_loose(&facts, u64::from(event.length));
        }
        if self.protocol == Protocol::NotHttp {
            s.ledger.lose(Cause::NotHttp, 1);
            return;
        }
        let (data, tail) = payload.split_at(payload.len().saturating_sub(event.tail as usize));
        let chunk = Chunk {
            offset: event.offset,
            skipped: u64::from(event.skipped),
            data,
            hole: u64::from(event.length - event.skipped - event.captured),
            tail,
            facts: &facts,
            is_accounted: false,
        };
        if self.streams[direction].is_closed {
            s.ledger.lose(Cause::AfterClose, 1);
            return;
        }
        if self.protocol == Protocol::Unknown && !self.classify(direction, &chunk, s) {
            return;
        }
        let stream = &mut self.streams[direction];
        let must_wait = stream.has_held() || chunk.offset > stream.expected;
        if must_wait && stream.hold(&chunk, s.now_ns) {
            self.pump(direction, s.now_ns.saturating_sub(PATIENCE_NS), s);
        } else if let Some((consumed, is_accounted)) = self.feed(direction, &chunk, must_wait, s) {
            let mut rest = chunk.without_first(consumed);
            rest.is_accounted = is_accounted;
            if !self.streams[direction].hold(&rest, s.now_ns) {
                self.feed(direction, &rest, true, s);
            }
        }
        // What waited for this request.
        if direction == self.request_stream && self.streams[1 - direction].has_held() {
            self.pump(1 - direction, s.now_ns.saturating_sub(PATIENCE_NS), s);
        }
        self.close_if_at_end(direction, s);
        self.steer(s);
        if self.exchanges > 0 {
            self.loose = Vec::new();
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
        self.protocol == Protocol::NotHttp && !self.loose.is_empty()
    }

    /// Operations that belong to no exchange and never will; `is_last`: whatever may still be found out.
    pub fn take_loose(&mut self, is_last: bool) -> Vec<OperationSum> {
        if self.protocol == Protocol::NotHttp || is_last {
            std::mem::take(&mut self.loose)
        } else {
            Vec::new()
        }
    }

    /// A change of the connection itself.
    pub fn changed(&mut self, event: &ConnectionEvent, s: &mut Surroundings<'_>) {
        match u32::from(event.change) {
            events::CONNECTION_RX_END => self.set_end(RX, event.rx_end, s),
            events::CONNECTION_TX_END => self.set_end(TX, event.tx_end, s),
            events::CONNECTION_RESET => {
                self.is_reset = true;
                self.finish_at_ns.get_or_insert(event.time_ns + RESET_LINGER_NS);
            }
            events::CONNECTION_CLOSED => {
                self.is_socket_gone = true;
                self.set_end(RX, event.rx_end, s);
                self.set_end(TX, event.tx_end, s);
                self.finish_at_ns = Some(event.time_ns + LINGER_NS);
            }
            _ => s.ledger.lose(Cause::BadEvent, 0),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, s: &mut Surroundings<'_>) {
        let deadline = s.now_ns.saturating_sub(PATIENCE_NS);
        self.pump(self.request_stream, deadline, s);
        self.pump(1 - self.request_stream, deadline, s);
        for direction in [RX, TX] {
            self.close_if_at_end(direction, s);
        }
        if self.finish_at_ns.is_some_and(|at| at <= s.now_ns) {
            self.finish(s);
        }
        self.steer(s);
    }

    /// Nothing more will come: what is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        self.finish_at_ns = None;
        let all = u64::MAX;
        self.pump(self.request_stream, all, s);
        self.pump(1 - self.request_stream, all, s);
        for direction in [self.request_stream, 1 - self.request_stream] {
            let stream = &self.streams[direction];
            let missing = stream.end.map_or(0, |end| end.saturating_sub(stream.expected));
            if missing > 0 {
                self.miss(direction, missing, s);
            }
            self.close(direction, s);
        }
        for exchange in std::mem::take(&mut self.open) {
            self.emit(exchange, s);
        }
        for direction in [RX, TX] {
            let stream = &mut self.streams[direction];
            let orphans = std::mem::take(&mut stream.operations).events + stream.drop_held();
            s.ledger.lose(Cause::ParseError, orphans);
        }
    }

    /// Everything is dropped, for `cause`.
    pub fn abandon(&mut self, cause: Cause, ledger: &mut Ledger) {
        let mut lost: u64 = self.open.drain(..).map(|exchange| exchange.events() - exchange.reported_events).sum();
        for stream in &mut self.streams {
            lost += std::mem::take(&mut stream.operations).events + stream.drop_held();
        }
        ledger.lose(cause, lost);
    }

    fn set_end(&mut self, direction: usize, end: u64, s: &mut Surroundings<'_>) {
        self.streams[direction].end.get_or_insert(end);
        self.close_if_at_end(direction, s);
    }

    fn close_if_at_end(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        let stream = &self.streams[direction];
        if !stream.is_closed && stream.is_at_end() && !stream.has_held() {
            self.close(direction, s);
        }
    }

    /// Finds out what the connection speaks; false when the chunk is thereby settled.
    fn classify(&mut self, direction: usize, chunk: &Chunk<'_>, s: &mut Surroundings<'_>) -> bool {
        let look = look(chunk.data);
        if self.is_pre_existing {
            match look {
                Look::Request => self.begin(direction, s),
                Look::Response => self.begin(1 - direction, s),
                Look::Other | Look::Short => {
                    s.ledger.lose(Cause::MidStream, 1);
                    self.streams[direction].expected = chunk.end();
                    self.looks += 1;
                    if self.looks >= JOIN_LOOKS {
                        self.not_http(s);
                    }
                    return false;
                }
            }
            // What came before is settled.
            self.streams[direction].expected = chunk.offset;
            return true;
        }
        if direction != self.request_stream && chunk.offset == 0 && matches!(look, Look::Other | Look::Request) {
            // The server speaks first: mail, databases, SSH.
            self.not_http(s);
            s.ledger.lose(Cause::NotHttp, 1);
            return false;
        }
        self.begin(self.request_stream, s);
        true
    }

    fn begin(&mut self, request_stream: usize, s: &mut Surroundings<'_>) {
        let make = if self.is_pre_existing { Parser::joining } else { Parser::new };
        self.request_stream = request_stream;
        self.protocol = Protocol::Http1;
        self.streams[request_stream].parser = Some(make(Role::Request, Arc::clone(s.limits)));
        self.streams[1 - request_stream].parser = Some(make(Role::Response, Arc::clone(s.limits)));
    }

    fn not_http(&mut self, s: &mut Surroundings<'_>) {
        self.protocol = Protocol::NotHttp;
        self.abandon(Cause::NotHttp, s.ledger);
        self.set_policy(Policy::NOTHING, s);
    }

    /// Held chunks whose turn has come, and those that have waited since before the deadline.
    fn pump(&mut self, direction: usize, deadline_ns: u64, s: &mut Surroundings<'_>) {
        while let Some((held, is_late)) = self.streams[direction].take_ready(deadline_ns) {
            if let Some((consumed, is_accounted)) = self.feed(direction, &held.chunk(), is_late, s) {
                self.streams[direction].put_back(&held, consumed, is_accounted);
                return;
            }
        }
    }

    /// Feeds a chunk, with the gap before it if there is one. Some(consumed, accounted) when the rest has to wait for
    /// the request that it answers; `must` goes on without.
    fn feed(
        &mut self,
        direction: usize,
        chunk: &Chunk<'_>,
        must: bool,
        s: &mut Surroundings<'_>,
    ) -> Option<(u64, bool)> {
        let expected = self.streams[direction].expected;
        if chunk.end() <= expected {
            if !chunk.is_accounted {
                s.ledger.lose(Cause::Overlap, 1);
            }
            return None;
        }
        if chunk.offset > expected {
            self.miss(direction, chunk.offset - expected, s);
        }
        let known = self.streams[direction].expected.saturating_sub(chunk.offset);
        let fresh = chunk.without_first(known);
        let (consumed, is_accounted) = self.feed_fresh(direction, &fresh, must, s);
        if consumed < fresh.length() {
            return Some((known + consumed, is_accounted));
        }
        if !is_accounted {
            let cause = if self.protocol == Protocol::NotHttp { Cause::NotHttp } else { Cause::ParseError };
            s.ledger.lose(cause, 1);
        }
        None
    }

    fn feed_fresh(&mut self, direction: usize, chunk: &Chunk<'_>, must: bool, s: &mut Surroundings<'_>) -> (u64, bool) {
        let mut at = 0;
        let mut is_accounted = chunk.is_accounted;
        let length = chunk.length();
        let end_ns = chunk.facts.end_ns;
        self.streams[direction].last_ns = end_ns;
        loop {
            if !must && at < length && self.must_wait(direction) {
                return (at, is_accounted);
            }
            let stream = &mut self.streams[direction];
            let Some(parser) = stream.parser.as_mut() else {
                return (length, is_accounted);
            };
            let (consumed, output) = match chunk.without_first(at).first() {
                Piece::Missing(bytes) => parser.gap(bytes, end_ns),
                Piece::Bytes(bytes) => {
                    let (consumed, output) = parser.step(bytes, end_ns);
                    (consumed as u64, output)
                }
            };
            at += consumed;
            stream.expected += consumed;
            if matches!(output, Output::NotHttp) {
                self.not_http(s);
                return (length, is_accounted);
            }
            if consumed > 0 && !matches!(output, Output::Skipped(_)) {
                stream.operations.add(chunk.facts, consumed, !is_accounted);
                if !is_accounted {
                    stream.operations.events += 1;
                    is_accounted = true;
                }
            }
            let is_done = consumed == 0 && matches!(output, Output::NeedMore);
            self.take(direction, output, s);
            if is_done {
                // Nothing is left to tell; a parser that stops early must not hold up the stream.
                self.streams[direction].expected += length - at;
                return (length, is_accounted);
            }
        }
    }

    /// Bytes that nobody saw.
    fn miss(&mut self, direction: usize, bytes: u64, s: &mut Surroundings<'_>) {
        let mut left = bytes;
        while left > 0 {
            let stream = &mut self.streams[direction];
            let Some(parser) = stream.parser.as_mut() else {
                break;
            };
            let (consumed, output) = parser.gap(left, stream.last_ns);
            left -= consumed.min(left);
            let is_done = consumed == 0 && matches!(output, Output::NeedMore | Output::NotHttp);
            self.take(direction, output, s);
            if is_done {
                break;
            }
        }
        self.streams[direction].expected += bytes;
        if direction != self.request_stream {
            self.has_response_gap = true;
        }
        for exchange in &mut self.open {
            exchange.has_gap = true;
        }
    }

    /// The direction has ended.
    fn close(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        if self.streams[direction].is_closed {
            return;
        }
        self.streams[direction].is_closed = true;
        // A head that was cut, its end, nothing.
        for _ in 0..4 {
            let stream = &mut self.streams[direction];
            let Some(parser) = stream.parser.as_mut() else {
                return;
            };
            match parser.close(stream.last_ns) {
                Output::NeedMore | Output::NotHttp => return,
                output => self.take(direction, output, s),
            }
        }
    }

    /// The next response has no request yet.
    fn must_wait(&self, direction: usize) -> bool {
        direction != self.request_stream
            && self.tunnel.is_none()
            && self.answering.is_none()
            && !self.streams[self.request_stream].is_closed
            && self.streams[direction].parser.as_ref().is_some_and(Parser::is_between_messages)
            && self.open.iter().all(Exchange::is_answered)
    }

    fn take(&mut self, direction: usize, output: Output, s: &mut Surroundings<'_>) {
        if direction == self.request_stream {
            self.take_request(direction, output, s);
        } else {
            self.take_response(direction, output, s);
        }
    }

    fn take_request(&mut self, direction: usize, output: Output, s: &mut Surroundings<'_>) {
        match output {
            Output::Head(head) => {
                self.note_length(&head);
                self.exchanges += 1;
                let begin_ns = self.streams[direction].operations.begin_ns;
                let request = Half { head: Some(head), begin_ns, ..Half::default() };
                self.receiving = Some(self.exchanges);
                self.open.push_back(Exchange { number: self.exchanges, request: Some(request), ..Exchange::default() });
            }
            Output::Complete(done) | Output::Lost(done) => {
                let operations = std::mem::take(&mut self.streams[direction].operations);
                let number = self.receiving.take();
                if let Some(half) = self.exchange(number).and_then(|exchange| exchange.request.as_mut()) {
                    half.done = Some(done);
                    half.operations = operations;
                } else {
                    s.ledger.lose(Cause::ParseError, operations.events);
                }
                self.settle(number, s);
            }
            Output::Tunnel(bytes) => self.tunnelled(0, bytes),
            _ => {}
        }
    }

    fn take_response(&mut self, direction: usize, output: Output, s: &mut Surroundings<'_>) {
        match output {
            Output::Interim(status) => {
                let operations = std::mem::take(&mut self.streams[direction].operations);
                if let Some(exchange) = self.open.iter_mut().find(|exchange| !exchange.is_answered()) {
                    exchange.interim.push(status);
                    exchange.interim_operations.get_or_insert_default().append(operations);
                } else {
                    s.ledger.lose(Cause::ParseError, operations.events);
                }
            }
            Output::Head(head) => {
                self.note_length(&head);
                self.answer(direction, head, s);
            }
            Output::Complete(done) | Output::Lost(done) => {
                let operations = std::mem::take(&mut self.streams[direction].operations);
                let number = self.answering.take();
                if let Some(half) = self.exchange(number).and_then(|exchange| exchange.response.as_mut()) {
                    half.done = Some(done);
                    half.operations = operations;
                } else {
                    s.ledger.lose(Cause::ParseError, operations.events);
                }
                self.excuse_body(number);
                self.settle(number, s);
            }
            Output::Tunnel(bytes) => self.tunnelled(1, bytes),
            Output::Skipped(bytes) if bytes > 0 => self.has_response_gap |= self.exchanges > 0,
            _ => {}
        }
    }

    /// A client that asked before sending its body, and got its final answer, need not send it.
    fn excuse_body(&mut self, number: Option<u32>) {
        let has_asked = self.exchange(number).is_some_and(|exchange| {
            let head = exchange.request.as_ref().and_then(|half| half.head.as_ref());
            head.is_some_and(|head| head.expect_continue) && !exchange.interim.contains(&100)
        });
        if has_asked && self.receiving == number {
            if let Some(parser) = self.streams[self.request_stream].parser.as_mut() {
                parser.excuse_body();
            }
        }
    }

    /// A final response has begun: which request it answers.
    fn answer(&mut self, direction: usize, head: Box<Head>, s: &mut Surroundings<'_>) {
        let begin_ns = self.streams[direction].operations.begin_ns;
        let number = self.match_request(head.start_ns, s);
        let exchange = match number.and_then(|number| self.open.iter_mut().find(|e| e.number == number)) {
            Some(exchange) => exchange,
            None => {
                self.exchanges += 1;
                self.open.push_front(Exchange { number: self.exchanges, ..Exchange::default() });
                &mut self.open[0]
            }
        };
        let context = exchange
            .request
            .as_ref()
            .and_then(|half| half.head.as_ref())
            .map_or(RequestContext::Unknown, |h| h.context());
        let status = head.status.unwrap_or(0);
        let is_upgrade = status == 101 || (context == RequestContext::Connect && (200..300).contains(&status));
        exchange.response = Some(Half { head: Some(head), begin_ns, ..Half::default() });
        exchange.is_upgraded = is_upgrade;
        let number = exchange.number;
        self.answering = Some(number);
        if let Some(parser) = self.streams[direction].parser.as_mut() {
            parser.set_context(context);
        }
        if is_upgrade {
            self.tunnel = Some(number);
            if let Some(parser) = self.streams[self.request_stream].parser.as_mut() {
                parser.into_tunnel();
            }
        }
    }

    /// The oldest unanswered request that can have been sent before the response began.
    fn match_request(&mut self, response_ns: u64, s: &mut Surroundings<'_>) -> Option<u32> {
        let request_stream = self.request_stream;
        let is_possible = |exchange: &Exchange| {
            let begin = exchange.begin_ns();
            let has_entry = request_stream == RX
                || exchange.request.as_ref().is_some_and(|half| half.operations.syscall_ns.is_some());
            !exchange.is_answered()
                && begin.saturating_sub(if has_entry { 0 } else { ENTRY_TOLERANCE_NS }) <= response_ns
        };
        let mut candidates = self.open.iter().filter(|exchange| is_possible(exchange)).map(|exchange| exchange.number);
        let first = candidates.next()?;
        if !self.has_response_gap {
            return Some(first);
        }
        // Responses were lost. Without pipelining the last request is the one that is answered now.
        self.has_response_gap = false;
        let number = candidates.next_back().unwrap_or(first);
        let (lost, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|e| e.number < number && !e.is_answered());
        self.open = rest.into();
        for mut exchange in lost {
            exchange.has_gap = true;
            self.emit(exchange, s);
        }
        Some(number)
    }

    fn note_length(&mut self, head: &Head) {
        self.has_long_bodies |= matches!(head.framing, Framing::Length(length) if length >= LONG_BYTES);
    }

    fn tunnelled(&mut self, from: usize, bytes: u64) {
        if let Some(exchange) = self.exchange(self.tunnel) {
            exchange.tunnel_bytes[from] += bytes;
        }
    }

    fn exchange(&mut self, number: Option<u32>) -> Option<&mut Exchange> {
        let number = number?;
        self.open.iter_mut().find(|exchange| exchange.number == number)
    }

    /// Emits the exchange if both its messages are complete.
    fn settle(&mut self, number: Option<u32>, s: &mut Surroundings<'_>) {
        let Some(at) = number.and_then(|number| self.open.iter().position(|e| e.number == number)) else {
            return;
        };
        if self.open[at].is_complete() {
            if let Some(exchange) = self.open.remove(at) {
                self.emit(exchange, s);
            }
        }
    }

    fn emit(&mut self, mut exchange: Exchange, s: &mut Surroundings<'_>) {
        if Some(exchange.number) == self.tunnel {
            for (direction, half) in [
                (self.request_stream, exchange.request.as_mut()),
                (1 - self.request_stream, exchange.response.as_mut()),
            ] {
                if let Some(half) = half {
                    half.operations.append(std::mem::take(&mut self.streams[direction].operations));
                }
            }
        }
        // Of a message that was cut without its end being told, the operations are still with the stream.
        self.adopt(&mut exchange);
        let is_unanswered =
            exchange.response.as_ref().is_none_or(|half| half.done.as_ref().is_none_or(|d| !d.complete));
        exchange.drops = std::mem::take(&mut self.drops);
        exchange.is_reset = self.is_reset && (is_unanswered || exchange.is_upgraded);
        s.finished.push(exchange);
    }

    fn adopt(&mut self, exchange: &mut Exchange) {
        let request = (self.receiving, self.request_stream, exchange.request.as_mut());
        let response = (self.answering, 1 - self.request_stream, exchange.response.as_mut());
        for (number, direction, half) in [request, response] {
            if let (true, Some(half)) = (number == Some(exchange.number), half) {
                half.operations.append(std::mem::take::<Operations>(&mut self.streams[direction].operations));
            }
        }
    }

    /// How much of long messages is to be copied.
    fn mode(&self) -> u32 {
        let is_chunked = |number: Option<u32>, half: fn(&Exchange) -> &Option<Half>| {
            self.open
                .iter()
                .find(|exchange| Some(exchange.number) == number)
                .and_then(|exchange| half(exchange).as_ref()?.head.as_ref())
                .is_some_and(|head| head.framing == Framing::Chunked)
        };
        if is_chunked(self.receiving, |e| &e.request) || is_chunked(self.answering, |e| &e.response) {
            events::POLICY_ALL
        } else if self.has_long_bodies {
            events::POLICY_HEADS
        } else {
            events::POLICY_HTTP
        }
    }

    /// Tells the kernel side what to copy from now on.
    fn steer(&mut self, s: &mut Surroundings<'_>) {
        if self.protocol != Protocol::Http1 {
            return;
        }
        let mut policy = Policy { mode: self.mode(), ..Policy::default() };
        for (direction, ignore) in [(RX, &mut policy.ignore_rx), (TX, &mut policy.ignore_tx)] {
            let stream = &self.streams[direction];
            let rest = stream.parser.as_ref().map_or(0, Parser::skippable);
            if rest >= SKIP_BYTES {
                *ignore = stream.expected.saturating_add(rest);
            }
        }
        self.set_policy(policy, s);
    }

    fn set_policy(&mut self, policy: Policy, s: &mut Surroundings<'_>) {
        if policy != self.policy {
            self.policy = policy;
            s.steering.steer(self.id, policy);
        }
    }

    /// Rover's own reporting: nothing of it is wanted.
    pub fn disown(&mut self, steering: &mut dyn Steering) {
        self.is_own = true;
        self.policy = Policy::NOTHING;
        steering.steer(self.id, Policy::NOTHING);
    }
}

enum Look {
    Request,
    Response,
    /// Too little to tell.
    Short,
    Other,
}

/// What a slice begins with. Stricter than the parser, which decides for certain: here it is about the direction.
fn look(data: &[u8]) -> Look {
    let data = &data[data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
    let prefix = data.len().min(7);
    if data[..prefix] == b"HTTP/1."[..prefix] {
        return if prefix == 7 { Look::Response } else { Look::Short };
    }
    let method =
        data.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)).count();
    match data.get(method) {
        None => Look::Short,
        Some(b' ') if method > 0 => {
            let rest = &data[method + 1..];
            let line = rest.iter().position(|byte| *byte == b'\n').map(|end| &rest[..end]);
            match (rest.first(), line) {
                (None, _) => Look::Short,
                (_, Some(line)) if !line.windows(7).any(|w| w == b"HTTP/1.") => Look::Other,
                (Some(b'/' | b'*' | b'h' | b'H'), _) | (_, Some(_)) => Look::Request,
                _ if &data[..method] == b"CONNECT" => Look::Request,
                _ => Look::Other,
            }
        }
        Some(_) => Look::Other,
    }
}
