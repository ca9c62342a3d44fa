//! HTTP/1: both parsers, and which response answers which request.

use std::collections::VecDeque;
use std::sync::Arc;

use rover_parsers::http1::{Framing, Head, Limits, Output, Parser, RequestContext, Role};

use super::{emit, Piece, Source, Step, Surroundings, RX};
use crate::events;
use crate::exchange::{Exchange, Half, Operations};
use crate::ledger::Cause;

/// A body of which it pays to copy only what frames it.
const LONG_BYTES: u64 = 32 * 1024;
/// Where no hook shows the entry of a write, it is taken to lie this much before its exit when a request is compared
/// with what may be its response.
const ENTRY_TOLERANCE_NS: u64 = 1_000_000;

/// Responses without a request that are remembered.
const ORPHANS: usize = 64;

/// One direction.
#[derive(Debug)]
struct Way {
    parser: Parser,
    /// Operations of the message under way.
    operations: Operations,
}

/// The exchanges of a connection, in the order of their requests.
#[derive(Debug)]
pub struct Http1 {
    ways: [Way; 2],
    request_stream: usize,
    pub open: VecDeque<Exchange>,
    /// Messages that began an exchange.
    pub exchanges: u32,
    /// Number of the exchange whose request is under way.
    receiving: Option<u32>,
    /// Number of the exchange whose response is under way.
    answering: Option<u32>,
    tunnel: Option<u32>,
    /// The exchange whose response comes as HTTP/2.
    to_http2: Option<u32>,
    /// Beginnings of responses that were told without a request, whose writer may yet come back from its call.
    orphans_ns: VecDeque<u64>,
    /// Responses may be missing since.
    has_response_gap: bool,
    /// Requests were sent before the response to those before them.
    is_pipelined: bool,
    /// Some message had a long body of announced length: others will.
    has_long_bodies: bool,
    /// The connection was reset.
    pub is_reset: bool,
}

impl Http1 {
    /// `is_joining`: in mid-stream.
    pub fn new(request_stream: usize, is_joining: bool, limits: &Arc<Limits>) -> Http1 {
        let make = if is_joining { Parser::joining } else { Parser::new };
        let way = |direction: usize| {
            let role = if direction == request_stream { Role::Request } else { Role::Response };
            Way { parser: make(role, Arc::clone(limits)), operations: Operations::default() }
        };
        Http1 {
            ways: [way(0), way(1)],
            request_stream,
            open: VecDeque::new(),
            exchanges: 0,
            receiving: None,
            answering: None,
            tunnel: None,
            to_http2: None,
            orphans_ns: VecDeque::new(),
            has_response_gap: false,
            is_pipelined: false,
            has_long_bodies: false,
            is_reset: false,
        }
    }

    /// The next bytes of a direction, or as many that were not copied.
    pub fn step(
        &mut self,
        direction: usize,
        piece: Piece<'_>,
        source: &mut Source<'_>,
        s: &mut Surroundings<'_>,
    ) -> Step {
        let way = &mut self.ways[direction];
        let (consumed, output) = match piece {
            Piece::Missing(bytes) => way.parser.gap(bytes, source.facts.end_ns),
            Piece::Bytes(bytes) => {
                let (consumed, output) = way.parser.step(bytes, source.facts.end_ns);
                (consumed as u64, output)
            }
        };
        if matches!(output, Output::NotHttp) {
            return Step { consumed, is_done: true, is_refused: true };
        }
        if consumed > 0 && !matches!(output, Output::Skipped(_)) {
            source.account(&mut way.operations, consumed);
        }
        let is_done = consumed == 0 && matches!(output, Output::NeedMore);
        self.take(direction, output, s);
        Step { consumed, is_done, is_refused: false }
    }

    /// Bytes of which there is no operation, moved after `last_ns` and before `until_ns`.
    pub fn miss(&mut self, direction: usize, bytes: u64, last_ns: u64, until_ns: u64, s: &mut Surroundings<'_>) {
        let mut left = bytes;
        while left > 0 {
            let (consumed, output) = self.ways[direction].parser.gap(left, last_ns);
            left -= consumed.min(left);
            let is_done = consumed == 0 && matches!(output, Output::NeedMore | Output::NotHttp);
            self.take(direction, output, s);
            if is_done {
                break;
            }
        }
        if direction != self.request_stream {
            self.has_response_gap = true;
        }
        for exchange in self.open.iter_mut().filter(|exchange| exchange.asked_ns() <= until_ns) {
            exchange.has_gap = true;
        }
    }

    /// The direction has ended.
    pub fn close(&mut self, direction: usize, last_ns: u64, s: &mut Surroundings<'_>) {
        // A head that was cut, its end, nothing.
        for _ in 0..4 {
            match self.ways[direction].parser.close(last_ns) {
                Output::NeedMore | Output::NotHttp => return,
                output => self.take(direction, output, s),
            }
        }
    }

    /// What is open is reported as it is.
    pub fn finish(&mut self, s: &mut Surroundings<'_>) {
        for exchange in std::mem::take(&mut self.open) {
            self.emit(exchange, s);
        }
        for way in &mut self.ways {
            s.ledger.lose(Cause::ParseError, std::mem::take(&mut way.operations).events);
        }
    }

    /// Everything is dropped: how many operations were in no record.
    pub fn abandon(&mut self) -> u64 {
        let open: u64 = self.open.drain(..).map(|exchange| exchange.events() - exchange.reported_events).sum();
        let under_way: u64 = self.ways.iter_mut().map(|way| std::mem::take(&mut way.operations).events).sum();
        open + under_way
    }

    /// A response is next, and there is no request that it could answer.
    pub fn lacks_request(&self, direction: usize) -> bool {
        self.tunnel.is_none()
            && self.answering.is_none()
            && self.ways[direction].parser.is_between_messages()
            && self.open.iter().all(Exchange::is_answered)
    }

    /// Bytes from here on that need not be copied.
    pub fn skippable(&self, direction: usize) -> u64 {
        self.ways[direction].parser.skippable()
    }

    /// How much of long messages is to be copied.
    pub fn mode(&self) -> u32 {
        let is_chunked = |number: Option<u32>, half: fn(&Exchange) -> &Option<Half>| {
            self.open
                .iter()
                .find(|exchange| Some(exchange.number) == number)
                .and_then(|exchange| half(exchange).as_ref()?.head.as_ref()?.maybe_http1())
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

    /// The exchange with which the connection went over to HTTP/2, which answers it.
    pub fn take_upgraded_to_http2(&mut self) -> Option<Exchange> {
        let number = self.to_http2.take()?;
        let at = self.open.iter().position(|exchange| exchange.number == number)?;
        self.open.remove(at)
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
                let Operations { begin_ns, tls_ns, .. } = self.ways[direction].operations;
                let request = Half { head: Some(head.into()), begin_ns, tls_ns, ..Half::default() };
                self.receiving = Some(self.exchanges);
                let is_late = self.is_answered_before(tls_ns.unwrap_or(begin_ns));
                let number = self.exchanges;
                self.open.push_back(Exchange { number, request: Some(request), is_late, ..Exchange::default() });
            }
            Output::Complete(done) | Output::Lost(done) => {
                let operations = std::mem::take(&mut self.ways[direction].operations);
                let number = self.receiving.take();
                if let Some(half) = self.exchange(number).and_then(|exchange| exchange.request.as_mut()) {
                    half.done = Some(done.into());
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

    /// Its response was told without it: it must not take the next one's.
    fn is_answered_before(&mut self, asked_ns: u64) -> bool {
        while self.orphans_ns.front().is_some_and(|start_ns| *start_ns <= asked_ns) {
            self.orphans_ns.pop_front();
        }
        self.orphans_ns.pop_front().is_some()
    }

    fn take_response(&mut self, direction: usize, output: Output, s: &mut Surroundings<'_>) {
        match output {
            Output::Interim(status) => {
                let operations = std::mem::take(&mut self.ways[direction].operations);
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
                let operations = std::mem::take(&mut self.ways[direction].operations);
                let number = self.answering.take();
                if let Some(half) = self.exchange(number).and_then(|exchange| exchange.response.as_mut()) {
                    half.done = Some(done.into());
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
            let head = exchange.request.as_ref().and_then(|half| half.head.as_ref()?.maybe_http1());
            head.is_some_and(|head| head.expect_continue) && !exchange.interim.contains(&100)
        });
        if has_asked && self.receiving == number {
            self.ways[self.request_stream].parser.excuse_body();
        }
    }

    /// A final response has begun: which request it answers.
    fn answer(&mut self, direction: usize, head: Box<Head>, s: &mut Surroundings<'_>) {
        let Operations { begin_ns, tls_ns, .. } = self.ways[direction].operations;
        let answered_ns = tls_ns.unwrap_or(head.start_ns);
        let number = self.match_request(answered_ns, s);
        let exchange = match number.and_then(|number| self.open.iter_mut().find(|e| e.number == number)) {
            Some(exchange) => exchange,
            None => {
                self.exchanges += 1;
                if self.orphans_ns.len() < ORPHANS {
                    self.orphans_ns.push_back(answered_ns);
                }
                // Whose it was is not known: what is open now must not take the next one's, and so on for good.
                self.has_response_gap |= self.open.iter().any(|exchange| !exchange.is_answered());
                self.open.push_front(Exchange { number: self.exchanges, ..Exchange::default() });
                &mut self.open[0]
            }
        };
        let request = exchange.request.as_ref().and_then(|half| half.head.as_ref()?.maybe_http1());
        let context = request.map_or(RequestContext::Unknown, |head| head.context());
        let status = head.status.unwrap_or(0);
        let is_upgrade = status == 101 || (context == RequestContext::Connect && (200..300).contains(&status));
        if status == 101 && head.h2c {
            let number = exchange.number;
            exchange.is_upgraded = true;
            exchange.interim.push(status);
            exchange
                .interim_operations
                .get_or_insert_default()
                .append(std::mem::take(&mut self.ways[direction].operations));
            self.to_http2 = Some(number);
            return;
        }
        exchange.response = Some(Half { head: Some(head.into()), begin_ns, tls_ns, ..Half::default() });
        exchange.is_upgraded = is_upgrade;
        let number = exchange.number;
        self.answering = Some(number);
        self.ways[direction].parser.set_context(context);
        if is_upgrade {
            self.tunnel = Some(number);
            self.ways[self.request_stream].parser.into_tunnel();
        }
    }

    /// The oldest unanswered request that can have been sent before the response began.
    fn match_request(&mut self, response_ns: u64, s: &mut Surroundings<'_>) -> Option<u32> {
        let request_stream = self.request_stream;
        let is_possible = |exchange: &Exchange| {
            let begin = exchange.asked_ns();
            let has_entry = request_stream == RX
                || exchange.request.as_ref().is_some_and(|half| half.tls_ns.is_some())
                || exchange.request.as_ref().is_some_and(|half| half.operations.syscall_ns.is_some());
            !exchange.is_answered()
                && begin.saturating_sub(if has_entry { 0 } else { ENTRY_TOLERANCE_NS }) <= response_ns
        };
        let mut candidates = self.open.iter().filter(|exchange| is_possible(exchange)).map(|exchange| exchange.number);
        let first = candidates.next()?;
        let last = candidates.next_back();
        if !self.has_response_gap {
            self.is_pipelined |= last.is_some();
            return Some(first);
        }
        // Responses were lost. Without pipelining the last request is the one that is answered now; with it nobody knows, and
        // nothing later tells either.
        let number = if self.is_pipelined { None } else { Some(last.unwrap_or(first)) };
        self.has_response_gap = self.is_pipelined;
        let is_lost = |e: &Exchange| number.is_none_or(|number| e.number < number) && !e.is_answered();
        let (lost, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(is_lost);
        self.open = rest.into();
        for mut exchange in lost {
            exchange.has_gap = true;
            self.emit(exchange, s);
        }
        number
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
                    half.operations.append(std::mem::take(&mut self.ways[direction].operations));
                }
            }
        }
        // Of a message that was cut without its end being told, the operations are still with the stream.
        self.adopt(&mut exchange);
        emit(exchange, self.is_reset, s.finished);
    }

    fn adopt(&mut self, exchange: &mut Exchange) {
        let request = (self.receiving, self.request_stream, exchange.request.as_mut());
        let response = (self.answering, 1 - self.request_stream, exchange.response.as_mut());
        for (number, direction, half) in [request, response] {
            if let (true, Some(half)) = (number == Some(exchange.number), half) {
                half.operations.append(std::mem::take::<Operations>(&mut self.ways[direction].operations));
            }
        }
    }
}
