//! What is spoken on a connection in clear: which direction carries requests, bytes in stream order, the protocol.
//!
//! Events of one connection come nearly in order. Two exceptions are normal: two threads on one socket, and a
//! response that is read before the writer of its request has come back from its call. Both are waited for, bounded.

mod http1;
mod http2;
mod look;
mod recognition;
mod stream;

use std::sync::Arc;

use rover_parsers::http1::{Limits, Role};
use rover_reporters::record::{Protocol as Spoken, Side};

use self::http1::Http1;
use self::http2::Http2;
use self::stream::Stream;
pub use self::stream::{Chunk, Piece};
use crate::effort::Effort;
use crate::event::ToldTable;
use crate::events;
use crate::exchange::{Exchange, OperationFacts, Operations};
use crate::hooks::Figures;
use crate::ledger::{Cause, Ledger};
use crate::patience::Patience;
use crate::policy::{Policy, Steering};

/// A known body rest from which on it pays not to copy.
const SKIP_BYTES: u64 = 2048;
pub const RX: usize = events::RX as usize;
pub const TX: usize = events::TX as usize;

/// What a conversation works with besides itself.
pub struct Surroundings<'a> {
    pub limits: &'a Arc<Limits>,
    pub ledger: &'a mut Ledger,
    pub steering: &'a mut dyn Steering,
    pub now_ns: u64,
    pub patience: Patience,
    /// What the attached hooks can fill in.
    pub figures: &'a Figures,
    /// Operations whose layers contradict each other.
    pub contradictions: &'a mut u64,
    pub effort: Effort,
    /// Finished exchanges, in order.
    pub finished: &'a mut Vec<Exchange>,
    /// A header block referred to entries of an HPACK table that are not known.
    pub lacks_table: bool,
}

#[derive(Debug)]
enum Protocol {
    Unknown,
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    NotHttp,
}

/// What a parser made of a piece.
struct Step {
    consumed: u64,
    /// Nothing is left to tell: what is not consumed is passed over.
    is_done: bool,
    /// This is something else.
    is_refused: bool,
}

/// State of one conversation.
#[derive(Debug)]
pub struct Conversation {
    /// Under which the kernel side is told what to copy.
    id: u64,
    is_pre_existing: bool,
    protocol: Protocol,
    streams: [Stream; 2],
    /// Stream that carries requests, once known.
    request_stream: usize,
    looks: u32,
    is_reset: bool,
    policy: Policy,
    /// Exchanges of the connection before this conversation.
    exchanges_before: u32,
}

impl Conversation {
    /// `side`: of the observed process, from the handshake; unknown for a connection older than rover.
    pub fn new(id: u64, side: Option<Side>, is_pre_existing: bool) -> Conversation {
        Conversation {
            id,
            is_pre_existing,
            protocol: Protocol::Unknown,
            streams: [Stream::default(), Stream::default()],
            request_stream: if side == Some(Side::Client) { TX } else { RX },
            looks: 0,
            is_reset: false,
            policy: Policy::default(),
            exchanges_before: 0,
        }
    }

    /// One that another one carries: in a tunnel, under TLS.
    pub fn within(mut self, exchanges_before: u32, is_reset: bool) -> Conversation {
        self.exchanges_before = exchanges_before;
        self.is_reset = is_reset;
        self
    }

    /// Exchanges of the connection so far.
    pub fn exchanges(&self) -> u32 {
        match &self.protocol {
            Protocol::Http1(http) => http.exchanges,
            Protocol::Http2(http) => http.exchanges,
            Protocol::Unknown | Protocol::NotHttp => self.exchanges_before,
        }
    }

    /// What it was found to be; none: not HTTP, or not known yet.
    pub fn spoken(&self) -> Option<Spoken> {
        match self.protocol {
            Protocol::Http1(_) => Some(Spoken::Http11),
            Protocol::Http2(_) => Some(Spoken::Http2),
            Protocol::Unknown | Protocol::NotHttp => None,
        }
    }

    /// It is known whether it is HTTP.
    pub fn is_decided(&self) -> bool {
        !matches!(self.protocol, Protocol::Unknown)
    }

    pub fn is_not_http(&self) -> bool {
        matches!(self.protocol, Protocol::NotHttp)
    }

    /// Some message was seen.
    pub fn has_exchanges(&self) -> bool {
        self.exchanges() > self.exchanges_before
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
        self.streams.iter().any(Stream::has_held)
    }

    /// Bytes that wait.
    pub fn held_bytes(&self) -> usize {
        self.streams.iter().map(Stream::held_bytes).sum()
    }

    /// Exchanges under way, for those that last long.
    pub fn open_exchanges(&mut self) -> Box<dyn Iterator<Item = &mut Exchange> + '_> {
        match &mut self.protocol {
            Protocol::Http1(http) => Box::new(http.open.iter_mut()),
            Protocol::Http2(http) => Box::new(http.open_exchanges()),
            Protocol::Unknown | Protocol::NotHttp => Box::new(std::iter::empty()),
        }
    }

    pub fn maybe_open_exchange(&self, number: u32) -> Option<&Exchange> {
        match &self.protocol {
            Protocol::Http1(http) => http.open.iter().find(|exchange| exchange.number == number),
            Protocol::Http2(http) => http.maybe_open_exchange(number),
            Protocol::Unknown | Protocol::NotHttp => None,
        }
    }

    /// The connection was reset.
    pub fn reset(&mut self) {
        self.is_reset = true;
        match &mut self.protocol {
            Protocol::Http1(http) => http.is_reset = true,
            Protocol::Http2(http) => http.is_reset = true,
            Protocol::Unknown | Protocol::NotHttp => {}
        }
    }

    /// The bytes of one operation.
    pub fn data(&mut self, direction: usize, chunk: Chunk<'_>, s: &mut Surroundings<'_>) {
        if self.is_not_http() {
            s.ledger.lose(Cause::NotHttp, chunk.unaccounted());
            return;
        }
        if self.streams[direction].is_closed {
            s.ledger.lose(Cause::AfterClose, chunk.unaccounted());
            return;
        }
        if !self.is_decided() && !self.classify(direction, &chunk, s) {
            return;
        }
        // Kept until it was known what is spoken: a request comes before its response.
        if direction != self.request_stream && self.streams[self.request_stream].has_held() {
            self.pump_due(self.request_stream, s);
        }
        self.take_in(direction, &chunk, s);
        // What waited for this request.
        if direction == self.request_stream && self.streams[1 - direction].has_held() {
            self.pump_due(1 - direction, s);
        }
        self.close_if_at_end(direction, s);
        self.steer(s);
    }

    /// In its turn.
    fn take_in(&mut self, direction: usize, chunk: &Chunk<'_>, s: &mut Surroundings<'_>) {
        let stream = &mut self.streams[direction];
        let must_wait = stream.has_held() || chunk.offset > stream.expected;
        if must_wait && stream.hold(chunk, s.now_ns) {
            self.pump_due(direction, s);
        } else if let Some((consumed, is_accounted)) = self.feed(direction, chunk, must_wait, s) {
            let mut rest = chunk.without_first(consumed);
            rest.is_accounted = is_accounted;
            if !self.streams[direction].hold(&rest, s.now_ns) {
                self.feed(direction, &rest, true, s);
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, s: &mut Surroundings<'_>) {
        // The first bytes of a direction may be too few to tell, and wait for more as long as it takes.
        if self.is_decided() {
            self.pump_due(self.request_stream, s);
            self.pump_due(1 - self.request_stream, s);
        }
        for direction in [RX, TX] {
            self.close_if_at_end(direction, s);
        }
        self.steer(s);
    }

    /// Nothing more will come: what is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        // Too few bytes to tell, and no more will come.
        if !self.is_decided() && self.needs_attention() {
            if self.is_pre_existing {
                self.forget_held(RX, s);
                self.forget_held(TX, s);
            } else {
                self.begin_http1(self.request_stream, s);
            }
        }
        let all = u64::MAX;
        self.pump(self.request_stream, all, s);
        self.pump(1 - self.request_stream, all, s);
        for direction in [self.request_stream, 1 - self.request_stream] {
            let stream = &self.streams[direction];
            let missing = stream.end.map_or(0, |end| end.saturating_sub(stream.expected));
            if missing > 0 {
                self.miss(direction, missing, u64::MAX, s);
            }
            self.close(direction, s);
        }
        match &mut self.protocol {
            Protocol::Http1(http) => http.finish(s),
            Protocol::Http2(http) => http.finish(s),
            Protocol::Unknown | Protocol::NotHttp => {}
        }
        for stream in &mut self.streams {
            s.ledger.lose(Cause::ParseError, stream.drop_held());
        }
    }

    /// Everything is dropped, for `cause`.
    pub fn abandon(&mut self, cause: Cause, ledger: &mut Ledger) {
        let mut lost = match &mut self.protocol {
            Protocol::Http1(http) => http.abandon(),
            Protocol::Http2(http) => http.abandon(),
            Protocol::Unknown | Protocol::NotHttp => 0,
        };
        for stream in &mut self.streams {
            lost += stream.drop_held();
        }
        ledger.lose(cause, lost);
    }

    /// The length of a direction is known.
    pub fn set_end(&mut self, direction: usize, end: u64, s: &mut Surroundings<'_>) {
        self.streams[direction].end.get_or_insert(end);
        self.close_if_at_end(direction, s);
    }

    fn close_if_at_end(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        let stream = &self.streams[direction];
        if !stream.is_closed && stream.is_at_end() && !stream.has_held() {
            self.close(direction, s);
        }
    }

    fn role(&self, direction: usize) -> Role {
        if direction == self.request_stream {
            Role::Request
        } else {
            Role::Response
        }
    }

    fn begin_http1(&mut self, request_stream: usize, s: &mut Surroundings<'_>) {
        self.request_stream = request_stream;
        let mut http = Http1::new(request_stream, self.is_pre_existing, s.limits);
        (http.exchanges, http.is_reset) = (self.exchanges_before, self.is_reset);
        self.protocol = Protocol::Http1(Box::new(http));
    }

    fn begin_http2(&mut self, request_stream: usize, s: &mut Surroundings<'_>) {
        self.request_stream = request_stream;
        let mut http = Http2::new(self.is_pre_existing, s.limits);
        (http.exchanges, http.is_reset) = (self.exchanges_before, self.is_reset);
        self.protocol = Protocol::Http2(Box::new(http));
    }

    /// The two have agreed to go on with HTTP/2.
    fn upgrade(&mut self, s: &mut Surroundings<'_>) {
        if let Protocol::Http1(http) = &mut self.protocol {
            if let Some(exchange) = http.take_upgraded_to_http2() {
                let exchanges = http.exchanges;
                http.finish(s);
                self.protocol = Protocol::Http2(Box::new(Http2::upgraded(exchange, exchanges, s.limits)));
            }
        }
    }

    /// The HPACK table of a direction, seen right before a block. While bytes are held back it is not clear which block.
    pub fn tell_table(&mut self, direction: usize, told: &ToldTable<'_>) {
        let role = self.role(direction);
        if let Protocol::Http2(http) = &mut self.protocol {
            if !self.streams[direction].has_held() {
                http.tell_table(role, told);
            }
        }
    }

    /// It turned out elsewhere that this is not HTTP.
    pub fn refuse(&mut self, s: &mut Surroundings<'_>) {
        self.not_http(s);
    }

    fn not_http(&mut self, s: &mut Surroundings<'_>) {
        self.abandon(Cause::NotHttp, s.ledger);
        self.protocol = Protocol::NotHttp;
        self.set_policy(Policy::NOTHING, s);
    }

    /// Held chunks whose turn has come, and those that have waited long enough.
    fn pump_due(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        let deadline_ns = s.patience.deadline_ns(s.now_ns, self.streams[direction].has_waited);
        self.pump(direction, deadline_ns, s);
    }

    /// Held chunks whose turn has come, and those that have waited since before the deadline.
    fn pump(&mut self, direction: usize, deadline_ns: u64, s: &mut Surroundings<'_>) {
        loop {
            if direction != self.request_stream && self.streams[direction].is_late(deadline_ns) {
                self.pump_blocked_requests(s);
            }
            let Some((held, is_late)) = self.streams[direction].take_ready(deadline_ns) else {
                return;
            };
            if let Some((consumed, is_accounted)) = self.feed(direction, &held.chunk(), is_late, s) {
                self.streams[direction].put_back(&held, consumed, is_accounted);
                return;
            }
        }
    }

    /// A response goes on without its request, if it must: then requests behind a hole wait no longer either. They would
    /// come after their own responses, one like the other, for as long as the connection is busy.
    fn pump_blocked_requests(&mut self, s: &mut Surroundings<'_>) {
        if let Some(since_ns) = self.streams[self.request_stream].held_since_ns() {
            self.pump(self.request_stream, since_ns, s);
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
            s.ledger.lose(Cause::Overlap, chunk.unaccounted());
            return None;
        }
        if chunk.offset > expected {
            self.miss(direction, chunk.offset - expected, chunk.facts.end_ns, s);
        }
        let known = self.streams[direction].expected.saturating_sub(chunk.offset);
        let fresh = chunk.without_first(known);
        let (consumed, is_accounted) = self.feed_fresh(direction, &fresh, must, s);
        if consumed < fresh.length {
            return Some((known + consumed, is_accounted));
        }
        if !is_accounted {
            let cause = match self.protocol {
                Protocol::NotHttp => Cause::NotHttp,
                Protocol::Http2(_) => Cause::Http2Control,
                Protocol::Unknown | Protocol::Http1(_) => Cause::ParseError,
            };
            s.ledger.lose(cause, chunk.unaccounted());
        }
        None
    }

    fn feed_fresh(&mut self, direction: usize, chunk: &Chunk<'_>, must: bool, s: &mut Surroundings<'_>) -> (u64, bool) {
        let mut at = 0;
        let mut rest = *chunk;
        let mut source = Source { chunk, facts: chunk.facts, is_accounted: chunk.is_accounted };
        let length = chunk.length;
        self.streams[direction].last_ns = chunk.facts.end_ns;
        loop {
            let piece = rest.first();
            if !must && at < length && self.must_wait(direction, piece) {
                return (at, source.is_accounted);
            }
            let role = self.role(direction);
            let step = match &mut self.protocol {
                Protocol::Http1(http) => http.step(direction, piece, &mut source, s),
                Protocol::Http2(_) if at >= length => return (length, source.is_accounted),
                Protocol::Http2(http) => http.step(role, piece, &mut source, s),
                Protocol::Unknown | Protocol::NotHttp => return (length, source.is_accounted),
            };
            at += step.consumed;
            rest = rest.without_first(step.consumed);
            self.streams[direction].expected += step.consumed;
            if step.is_refused {
                self.not_http(s);
                return (length, source.is_accounted);
            }
            if step.is_done {
                // A parser that stops early must not hold up the stream.
                self.streams[direction].expected += length - at;
                return (length, source.is_accounted);
            }
            self.upgrade(s);
        }
    }

    /// Bytes that nobody saw, moved before `until_ns`.
    fn miss(&mut self, direction: usize, bytes: u64, until_ns: u64, s: &mut Surroundings<'_>) {
        let last_ns = self.streams[direction].last_ns;
        let role = self.role(direction);
        match &mut self.protocol {
            Protocol::Http1(http) => http.miss(direction, bytes, last_ns, until_ns, s),
            Protocol::Http2(http) => http.miss(role, bytes, last_ns, s),
            Protocol::Unknown | Protocol::NotHttp => {}
        }
        self.streams[direction].expected += bytes;
    }

    /// The direction has ended.
    fn close(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        if self.streams[direction].is_closed {
            return;
        }
        self.streams[direction].is_closed = true;
        let is_all = self.streams.iter().all(|stream| stream.is_closed);
        let last_ns = self.streams[direction].last_ns;
        match &mut self.protocol {
            Protocol::Http1(http) => http.close(direction, last_ns, s),
            Protocol::Http2(http) if is_all => http.finish(s),
            Protocol::Http2(_) | Protocol::Unknown | Protocol::NotHttp => {}
        }
    }

    /// The next response has no request yet.
    fn must_wait(&self, direction: usize, piece: Piece<'_>) -> bool {
        if direction == self.request_stream || self.streams[self.request_stream].is_closed {
            return false;
        }
        match &self.protocol {
            Protocol::Http1(http) => http.lacks_request(direction),
            Protocol::Http2(http) => http.lacks_request(piece),
            Protocol::Unknown | Protocol::NotHttp => false,
        }
    }

    /// Tells the kernel side what to copy from now on.
    fn steer(&mut self, s: &mut Surroundings<'_>) {
        let (mode, skippable) = match &self.protocol {
            Protocol::Http1(http) => (http.mode(), [http.skippable(RX), http.skippable(TX)]),
            // The kernel side finds its way through the frames.
            Protocol::Http2(_) => (events::POLICY_HTTP2, [0, 0]),
            Protocol::Unknown | Protocol::NotHttp => return,
        };
        let is_too_much = mode == events::POLICY_ALL && s.effort >= Effort::WithoutBodies;
        let mode = if is_too_much { events::POLICY_HEADS } else { mode };
        let mut policy = Policy { mode, ..Policy::default() };
        for (direction, ignore) in [(RX, &mut policy.ignore_rx), (TX, &mut policy.ignore_tx)] {
            if skippable[direction] >= SKIP_BYTES {
                *ignore = self.streams[direction].expected.saturating_add(skippable[direction]);
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
}

/// Emits an exchange that is over.
fn emit(mut exchange: Exchange, is_reset: bool, finished: &mut Vec<Exchange>) {
    let is_unanswered = exchange.response.as_ref().is_none_or(|half| half.done.as_ref().is_none_or(|d| !d.complete));
    exchange.is_reset |= is_reset && (is_unanswered || exchange.is_upgraded);
    finished.push(exchange);
}

/// The operation that a piece comes from.
struct Source<'a> {
    chunk: &'a Chunk<'a>,
    facts: &'a OperationFacts,
    /// Some message answers for it in the ledger.
    is_accounted: bool,
}

impl Source<'_> {
    /// Counts the operation for the first message that has a part of it.
    fn account(&mut self, operations: &mut Operations, bytes: u64) {
        let is_first = !self.is_accounted;
        if is_first {
            self.is_accounted = true;
            operations.events += self.chunk.units;
            for facts in self.chunk.earlier {
                operations.add(facts, 0, true);
            }
        }
        operations.add(self.facts, bytes, is_first && !self.chunk.is_repeated);
    }
}
