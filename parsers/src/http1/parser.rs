//! The state machine of one direction.

use std::sync::Arc;

use super::chunked::{self, Chunked};
use super::fields::{read_trailer, Fields};
use super::lines::{Line, Lines};
use super::message::{Complete, Framing, Head, Output, RequestContext, Role};
use super::progress::{Progress, State};
use super::start_line::{look, look_anew, maybe_start_line, Look, StartLine, LOOK_BYTES};
use super::target::read_target;
use crate::limits::Limits;
use crate::text::owned;

/// Slices (socket operations) without any message start after which a direction that was joined in mid-stream is
/// taken for something else. Generous, since a long body may be under way: 64 MiB at 64 KiB an operation.
const JOIN_LOOKS: u32 = 1024;

/// Slices in a row that begin with a request of an unknown method, out of step, before that is believed.
const STRANGERS: u32 = 3;

/// Observer of one direction of a connection.
#[derive(Debug)]
pub struct Parser {
    role: Role,
    limits: Arc<Limits>,
    state: State,
    lines: Lines,
    fields: Fields,
    head: Option<Box<Head>>,
    status: Option<u16>,
    framing: Framing,
    message: Progress,
    /// A start line was seen: this is HTTP/1.
    is_confirmed: bool,
    /// Bytes before the first one given may exist, so a beginning that is no message proves nothing.
    is_joined: bool,
    looks: u32,
    /// Slices in a row that begin with a request of an unknown method.
    strangers: u32,
}

impl Parser {
    /// Observer of a direction from its first byte on.
    pub fn new(role: Role, limits: Arc<Limits>) -> Parser {
        let lines = Lines::new(limits.head_bytes.max(LOOK_BYTES));
        Parser {
            role,
            limits,
            state: State::Start,
            lines,
            fields: Fields::default(),
            head: None,
            status: None,
            framing: Framing::None,
            message: Progress::default(),
            is_confirmed: false,
            is_joined: false,
            looks: 0,
            strangers: 0,
        }
    }

    /// Observer that joins in mid-stream: it first waits for a slice that begins with a message.
    pub fn joining(role: Role, limits: Arc<Limits>) -> Parser {
        Parser { state: State::Desync, is_joined: true, ..Parser::new(role, limits) }
    }

    /// Consumes some of `data`, whose bytes were moved at `time_ns`; how many, and what happened.
    ///
    /// To be called until it answers [`Output::NeedMore`], also with what is then empty `data`. Consumes nothing
    /// only with [`Output::NeedContext`] and with ends of messages that were due before. Out of step, the beginning
    /// of `data` is looked at for a message start, so a slice should be one socket operation.
    pub fn step(&mut self, data: &[u8], time_ns: u64) -> (usize, Output) {
        if self.message.is_excused && !data.is_empty() {
            self.message.is_excused = false;
            if look_anew(self.role, data, self.lines.limit()) == Look::Yes {
                return (0, self.complete());
            }
        }
        match self.state {
            State::Context => (0, Output::NeedContext),
            State::Empty => (0, self.complete()),
            _ if data.is_empty() => (0, Output::NeedMore),
            State::Start => self.start_line(data, time_ns),
            State::Fields => self.header_lines(data, 0, time_ns),
            State::Length(rest) => {
                let (taken, output) = self.known_length(rest, data.len() as u64, time_ns);
                (taken as usize, output)
            }
            State::Chunked(chunked) => self.chunked(chunked, data, time_ns),
            State::Trailers => self.trailer_lines(data, 0, time_ns),
            State::UntilClose => {
                self.body(data.len() as u64, time_ns);
                (data.len(), Output::NeedMore)
            }
            State::Cut => (0, self.lost()),
            State::Desync => self.desync(data, time_ns),
            State::Tunnel | State::NotHttp | State::Closed => (data.len(), self.opaque(data.len() as u64)),
        }
    }

    /// Passes over `n` bytes of the stream that nobody saw; how many of them, and what happened. To be called until
    /// all are consumed.
    ///
    /// Inside content whose end is known they count as content. Anywhere else they cost the message under way its
    /// end ([`Output::Lost`], after [`Output::Head`] if the gap is in the head) and the parser its step.
    pub fn gap(&mut self, n: u64, time_ns: u64) -> (u64, Output) {
        if n == 0 {
            return (0, Output::NeedMore);
        }
        match self.state {
            State::Context => (0, Output::NeedContext),
            State::Empty => (0, self.complete()),
            State::Length(rest) => self.known_length(rest, n, time_ns),
            State::Chunked(mut chunked) => {
                let taken = chunked.skip(n);
                self.body(taken, time_ns);
                self.state = State::Chunked(chunked);
                (taken, if taken == n { Output::NeedMore } else { self.lost() })
            }
            State::UntilClose => {
                self.body(n, time_ns);
                (n, Output::NeedMore)
            }
            State::Start | State::Fields => match self.cut_head() {
                Some(head) => (0, Output::Head(head)),
                None => (n, self.skip(n)),
            },
            State::Trailers | State::Cut => (0, self.lost()),
            State::Desync => (n, Output::Skipped(n)),
            State::Tunnel | State::NotHttp | State::Closed => (n, self.opaque(n)),
        }
    }

    /// The direction has ended. To be called until it answers [`Output::NeedMore`].
    ///
    /// A body that lasts until the end is then complete; any other unfinished message is not.
    pub fn close(&mut self, _time_ns: u64) -> Output {
        if self.state == State::Context {
            self.set_context(RequestContext::Unknown);
        }
        let output = match self.state {
            State::Start | State::Fields => match self.cut_head() {
                Some(head) => return Output::Head(head),
                None if self.message.bytes == 0 => Output::NeedMore,
                None if self.is_confirmed || self.is_joined => self.skip(0),
                None => Output::NotHttp,
            },
            State::Empty | State::UntilClose => self.complete(),
            State::Length(_) | State::Chunked(_) if self.message.is_excused => self.complete(),
            State::Length(_) | State::Chunked(_) | State::Trailers | State::Cut => Output::Complete(self.end(false)),
            _ => Output::NeedMore,
        };
        self.state = State::Closed;
        output
    }

    /// Bytes from here on that need not be captured: content of known length, everything once the stream is opaque
    /// or its content lasts until the end.
    pub fn skippable(&self) -> u64 {
        match self.state {
            State::Length(rest) => rest,
            State::Chunked(chunked) => chunked.data_rest(),
            // Content of a response to nobody knows what may be a misunderstanding.
            State::UntilClose if !self.message.is_guessed => u64::MAX,
            State::Tunnel | State::NotHttp | State::Closed => u64::MAX,
            _ => 0,
        }
    }

    /// Whether no message is under way.
    pub fn is_between_messages(&self) -> bool {
        match self.state {
            State::Start => self.message.bytes == 0,
            State::Desync | State::Tunnel | State::NotHttp | State::Closed => true,
            _ => false,
        }
    }

    /// Tells what the response answers whose head was just delivered (RFC 9112 §6.3).
    ///
    /// After status 101, and 2xx to CONNECT, the direction becomes a tunnel by itself; the direction of the requests
    /// does so by [`Parser::into_tunnel`].
    pub fn set_context(&mut self, request: RequestContext) {
        if self.state != State::Context {
            return;
        }
        self.message.is_guessed = request == RequestContext::Unknown;
        let is_success = matches!(self.status, Some(200..=299));
        self.message.is_last = self.status == Some(101) || (request == RequestContext::Connect && is_success);
        let has_body = request != RequestContext::Head && !self.message.is_last;
        self.state = if has_body { State::of_body(self.framing) } else { State::Empty };
    }

    /// From here on the direction is opaque. What was under way is forgotten.
    pub fn into_tunnel(&mut self) {
        self.reset();
        self.state = State::Tunnel;
    }

    /// The announced body of the request under way may not come: its final response is there before any of it
    /// (`Expect: 100-continue`, RFC 9110 §10.1.1). What then begins like a message is the next one.
    pub fn excuse_body(&mut self) {
        self.message.is_excused =
            self.message.body_bytes == 0 && matches!(self.state, State::Length(_) | State::Chunked(Chunked::START));
    }

    fn start_line(&mut self, data: &[u8], time_ns: u64) -> (usize, Output) {
        let mut begin = 0;
        if !self.lines.has_begun() {
            // RFC 9112 §2.2: empty lines before a message are to be ignored.
            begin = data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.message.blank_bytes += begin as u64;
            self.message.start_ns = time_ns;
        }
        let rest = data.get(begin..).unwrap_or_default();
        let found = self.lines.next(rest, false).map(|(end, line)| (end, maybe_head(self.role, line)));
        match found {
            Some((end, Some(head))) => {
                self.message.bytes += (begin + end) as u64;
                self.begin_head(head);
                self.header_lines(data, begin + end, time_ns)
            }
            Some((_, None)) => self.refuse(data),
            None if self.is_hopeless() => self.refuse(data),
            None => {
                self.message.bytes += data.len() as u64;
                self.message.last_ns = time_ns;
                (data.len(), Output::NeedMore)
            }
        }
    }

    /// Whether what is there of a start line, or of empty lines, excludes that it becomes one.
    fn is_hopeless(&mut self) -> bool {
        if self.message.is_likely {
            return false;
        }
        if !self.lines.has_begun() {
            return !self.is_confirmed && self.message.blank_bytes > LOOK_BYTES as u64;
        }
        let look = look(self.role, self.lines.begun());
        self.message.is_likely = look == Look::Yes;
        look == Look::No
    }

    /// The message under way is none.
    fn refuse(&mut self, data: &[u8]) -> (usize, Output) {
        if !self.is_confirmed && !self.is_joined {
            self.reset();
            self.state = State::NotHttp;
            return (data.len(), Output::NotHttp);
        }
        (data.len(), self.skip(data.len() as u64))
    }

    fn begin_head(&mut self, mut head: Box<Head>) {
        head.start_ns = self.message.start_ns;
        self.status = head.status;
        self.head = Some(head);
        self.is_confirmed = true;
        self.state = State::Fields;
    }

    fn header_lines(&mut self, data: &[u8], from: usize, time_ns: u64) -> (usize, Output) {
        self.message.last_ns = time_ns;
        let mut at = from;
        while let Some((end, line)) = self.lines.next(data.get(at..).unwrap_or_default(), true) {
            at += end;
            self.message.bytes += end as u64;
            if line.is_blank() {
                return (at, self.end_head());
            }
            let is_within = self.message.bytes - self.message.blank_bytes <= self.limits.head_bytes as u64;
            if let Some(head) = &mut self.head {
                self.fields.read(head, line, is_within.then_some(&self.limits.keep_headers));
            }
        }
        self.message.bytes += (data.len() - at) as u64;
        (data.len(), Output::NeedMore)
    }

    /// The blank line was read.
    fn end_head(&mut self) -> Output {
        if let Some(status @ (100 | 102..=199)) = self.status {
            self.reset();
            return Output::Interim(status);
        }
        let head = self.finish_head();
        self.state = match self.role {
            Role::Request => State::of_body(self.framing),
            Role::Response => State::Context,
        };
        Output::Head(head)
    }

    fn finish_head(&mut self) -> Box<Head> {
        let mut head = self.head.take().unwrap_or_default();
        self.fields.finish(self.role, &mut head);
        head.head_bytes = self.message.bytes - self.message.blank_bytes;
        head.truncated = head.head_bytes > self.limits.head_bytes as u64;
        self.message.head_bytes = head.head_bytes;
        self.message.truncated = head.truncated;
        self.framing = head.framing;
        head
    }

    /// What is known of a final head that ends before its blank line, if the start line is known.
    fn cut_head(&mut self) -> Option<Box<Head>> {
        if self.state == State::Start && self.lines.begun().len() >= self.lines.limit() {
            // The start line is longer than what is kept of it: more of it would not tell more.
            let line = Line { text: self.lines.begun(), is_cut: true, is_folded: false };
            let head = maybe_head(self.role, line)?;
            self.begin_head(head);
        }
        if self.state != State::Fields || matches!(self.status, Some(100 | 102..=199)) {
            return None;
        }
        let mut head = self.finish_head();
        head.truncated = true;
        self.message.truncated = true;
        self.lines.clear();
        self.state = State::Cut;
        Some(head)
    }

    fn body(&mut self, n: u64, time_ns: u64) {
        if n > 0 {
            self.message.is_excused = false;
            self.message.last_ns = time_ns;
            self.message.bytes += n;
            self.message.body_bytes += n;
        }
    }

    fn known_length(&mut self, rest: u64, available: u64, time_ns: u64) -> (u64, Output) {
        let taken = rest.min(available);
        self.body(taken, time_ns);
        if taken == rest {
            return (taken, self.complete());
        }
        self.state = State::Length(rest - taken);
        (taken, Output::NeedMore)
    }

    fn chunked(&mut self, mut chunked: Chunked, data: &[u8], time_ns: u64) -> (usize, Output) {
        let step = chunked.step(data, &mut self.message.body_bytes);
        let consumed = match step {
            chunked::Step::NeedMore => data.len(),
            chunked::Step::Last { consumed } | chunked::Step::Malformed { consumed } => consumed,
        };
        if consumed > 0 {
            self.message.last_ns = time_ns;
            self.message.bytes += consumed as u64;
        }
        match step {
            chunked::Step::NeedMore => {
                self.state = State::Chunked(chunked);
                (consumed, Output::NeedMore)
            }
            chunked::Step::Last { .. } => {
                self.state = State::Trailers;
                self.trailer_lines(data, consumed, time_ns)
            }
            chunked::Step::Malformed { .. } => {
                let end = self.end(false);
                self.state = State::Desync;
                (consumed, Output::Complete(end))
            }
        }
    }

    fn trailer_lines(&mut self, data: &[u8], from: usize, time_ns: u64) -> (usize, Output) {
        let limit = self.limits.head_bytes as u64;
        let mut at = from;
        let mut is_end = false;
        while let Some((end, line)) = self.lines.next(data.get(at..).unwrap_or_default(), true) {
            at += end;
            self.message.trailer_bytes += end as u64;
            if line.is_blank() {
                is_end = true;
                break;
            }
            if self.message.trailer_bytes <= limit {
                read_trailer(&self.limits.keep_headers, &mut self.message.trailers, line);
            }
        }
        let consumed = if is_end { at } else { data.len() };
        self.message.trailer_bytes += (consumed - at) as u64;
        self.message.truncated |= self.message.trailer_bytes > limit;
        self.message.bytes += (consumed - from) as u64;
        if consumed > from {
            self.message.last_ns = time_ns;
        }
        (consumed, if is_end { self.complete() } else { Output::NeedMore })
    }

    fn desync(&mut self, data: &[u8], time_ns: u64) -> (usize, Output) {
        let look = look_anew(self.role, data, self.lines.limit());
        self.strangers = if look == Look::Maybe { self.strangers + 1 } else { 0 };
        if look == Look::Yes || self.strangers >= STRANGERS {
            self.state = State::Start;
            return self.start_line(data, time_ns);
        }
        self.looks += 1;
        if !self.is_confirmed && self.looks >= JOIN_LOOKS {
            self.state = State::NotHttp;
            return (data.len(), Output::NotHttp);
        }
        (data.len(), Output::Skipped(data.len() as u64))
    }

    fn opaque(&self, n: u64) -> Output {
        match self.state {
            State::NotHttp => Output::NotHttp,
            State::Tunnel => Output::Tunnel(n),
            _ => Output::Skipped(n),
        }
    }

    fn complete(&mut self) -> Output {
        Output::Complete(self.end(true))
    }

    fn lost(&mut self) -> Output {
        let end = Complete { gap: true, ..self.end(false) };
        self.state = State::Desync;
        Output::Lost(end)
    }

    /// Ends the message under way; the next one may begin.
    fn end(&mut self, is_complete: bool) -> Complete {
        let message = std::mem::take(&mut self.message);
        self.reset();
        if message.is_last {
            self.state = State::Tunnel;
        }
        Complete {
            end_ns: message.last_ns,
            bytes: message.bytes,
            head_bytes: message.head_bytes,
            body_bytes: message.body_bytes,
            trailers: message.trailers,
            complete: is_complete,
            gap: false,
            truncated: message.truncated,
        }
    }

    /// What was read of the message under way, and `n` bytes more, belong to no message.
    fn skip(&mut self, n: u64) -> Output {
        let skipped = self.message.bytes + n;
        self.reset();
        self.state = State::Desync;
        // Once the step is lost a beginning that is no message proves nothing.
        self.is_joined = true;
        Output::Skipped(skipped)
    }

    fn reset(&mut self) {
        self.lines.clear();
        self.fields = Fields::default();
        self.head = None;
        self.message = Progress::default();
        self.state = State::Start;
    }
}

fn maybe_head(role: Role, line: Line<'_>) -> Option<Box<Head>> {
    let mut head = Box::<Head>::default();
    match maybe_start_line(role, line)? {
        StartLine::Request { method, target, version } => {
            head.method = Some(owned(method));
            head.version = version;
            read_target(&mut head, target);
        }
        StartLine::Status { status, version } => {
            head.status = Some(status);
            head.version = version;
        }
    }
    Some(head)
}
