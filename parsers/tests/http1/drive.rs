//! Drives a parser as the engine does and holds what must be true of every run.

use std::sync::Arc;

use rover_parsers::http1::{Complete, Framing, Head, KeepHeaders, Limits, Output, Parser, RequestContext, Role};
use rover_parsers::http1::{TraceFormat, Version};

/// What is moved at once.
#[derive(Clone, Debug)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
}

/// One run: what was told, rendered as text, and where in the stream.
pub struct Run {
    parser: Parser,
    contexts: Box<dyn Fn(u64, usize) -> RequestContext>,
    /// Start offset and time of each piece.
    pieces: Vec<(u64, u64)>,
    position: u64,
    /// Bytes that are accounted for by ends of messages, skips and tunnels.
    accounted: u64,
    last_ns: u64,
    open_head: Option<u64>,
    /// Offsets of final heads.
    pub head_offsets: Vec<u64>,
    pub events: Vec<String>,
}

pub fn limits() -> Arc<Limits> {
    Arc::new(Limits { head_bytes: 4096, keep_headers: KeepHeaders::new(["X-Kept", "Cookie", "X-Checksum"]) })
}

impl Run {
    /// `contexts`: what the response answers whose head begins at this offset and is the n-th.
    pub fn new(parser: Parser, contexts: impl Fn(u64, usize) -> RequestContext + 'static) -> Run {
        Run {
            parser,
            contexts: Box::new(contexts),
            pieces: Vec::new(),
            position: 0,
            accounted: 0,
            last_ns: 0,
            open_head: None,
            head_offsets: Vec::new(),
            events: Vec::new(),
        }
    }

    pub fn other(role: Role) -> Run {
        Run::new(Parser::new(role, limits()), |_, _| RequestContext::Other)
    }

    /// The time of a piece is 1000 plus its number.
    pub fn feed(&mut self, piece: &Piece) -> &mut Run {
        let time_ns = 1000 + self.pieces.len() as u64;
        self.pieces.push((self.position, time_ns));
        match piece {
            Piece::Bytes(data) => self.bytes(data, time_ns),
            Piece::Gap(n) => self.gap(*n, time_ns),
        }
        self
    }

    pub fn slices(&mut self, slices: &[&[u8]]) -> &mut Run {
        for slice in slices {
            self.feed(&Piece::Bytes(slice));
        }
        self
    }

    pub fn parser(&mut self) -> &mut Parser {
        &mut self.parser
    }

    fn bytes(&mut self, mut data: &[u8], time_ns: u64) {
        loop {
            let (consumed, output) = self.parser.step(data, time_ns);
            let is_due = matches!(output, Output::NeedContext | Output::NeedMore | Output::Complete(_));
            assert!(consumed > 0 || is_due, "no progress: {output:?}");
            data = &data[consumed..];
            self.moved(consumed as u64, time_ns);
            if output == Output::NeedMore {
                assert!(data.is_empty(), "NeedMore leaves {} bytes", data.len());
                break;
            }
            let is_over = output == Output::NotHttp;
            self.tell(output);
            if is_over && data.is_empty() {
                break;
            }
        }
    }

    fn gap(&mut self, mut n: u64, time_ns: u64) {
        let mut idle = 0;
        while n > 0 {
            let (consumed, output) = self.parser.gap(n, time_ns);
            idle = if consumed == 0 { idle + 1 } else { 0 };
            assert!(idle < 4, "no progress in a gap: {output:?}");
            n -= consumed;
            self.moved(consumed, time_ns);
            self.tell(output);
        }
    }

    /// Ends the direction and checks that every byte was accounted for.
    pub fn close(&mut self) -> &mut Run {
        for _ in 0..4 {
            match self.parser.close(9999) {
                Output::NeedMore => {
                    let interim = self.events.iter().any(|event| event.starts_with("interim"));
                    let not_http = self.events.iter().any(|event| event == "not HTTP");
                    assert!(self.accounted == self.position || interim || not_http, "{self:?}");
                    return self;
                }
                output => self.tell(output),
            }
        }
        panic!("close() never ends: {self:?}");
    }

    fn moved(&mut self, n: u64, time_ns: u64) {
        self.position += n;
        if n > 0 {
            self.last_ns = time_ns;
        }
    }

    fn tell(&mut self, output: Output) {
        match output {
            Output::NeedMore => {}
            Output::NeedContext => panic!("context was given"),
            Output::Skipped(n) => {
                self.accounted += n;
                self.count("skipped", n);
            }
            Output::Tunnel(n) => {
                self.accounted += n;
                self.count("tunnel", n);
            }
            Output::NotHttp => {
                if self.events.last().is_none_or(|event| event != "not HTTP") {
                    self.events.push("not HTTP".into());
                }
            }
            Output::Interim(status) => self.events.push(format!("interim {status}")),
            Output::Head(head) => {
                assert!(self.open_head.replace(head.head_bytes).is_none(), "head within a message");
                let begin = self.position - head.head_bytes;
                let (_, time_ns) = self.pieces.iter().rev().find(|(from, _)| *from <= begin).unwrap();
                assert_eq!(head.start_ns, *time_ns, "time of the first byte");
                self.parser.set_context((self.contexts)(begin, self.head_offsets.len()));
                self.head_offsets.push(begin);
                self.events.push(render_head(&head));
            }
            Output::Complete(end) => self.end("end", &end),
            Output::Lost(end) => self.end("lost", &end),
        }
    }

    fn end(&mut self, name: &str, end: &Complete) {
        assert_eq!(self.open_head.take(), Some(end.head_bytes), "{name} without its head");
        assert!(end.bytes >= end.head_bytes + end.body_bytes);
        assert_eq!(end.end_ns, self.last_ns, "time of the last byte");
        self.accounted += end.bytes;
        self.events.push(render_end(name, end));
    }

    /// Adjacent counts are one: how they are cut depends on the slices.
    fn count(&mut self, name: &str, n: u64) {
        let before = self.events.last().and_then(|event| event.strip_prefix(name)).map(|n| n.trim().parse::<u64>());
        match before {
            Some(Ok(before)) => *self.events.last_mut().unwrap() = format!("{name} {}", before + n),
            _ => self.events.push(format!("{name} {n}")),
        }
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {} accounted {} events {:#?}", self.position, self.accounted, self.events)
    }
}

/// `POST http://host/path?query 1.1 length=5 …`: start line, framing, then only what is not the usual case.
fn render_head(head: &Head) -> String {
    let mut text = match (&head.method, head.status) {
        (Some(method), None) => method.to_string(),
        (None, Some(status)) => status.to_string(),
        both => panic!("neither request nor response: {both:?}"),
    };
    if head.method.is_some() {
        let scheme = head.scheme.as_ref().map(|scheme| format!("{scheme}://"));
        let query = head.query.as_ref().map(|query| format!("?{query}"));
        let path = head.path.as_deref().unwrap_or("(no path)");
        text += &format!(" {}{path}{}", scheme.unwrap_or_default(), query.unwrap_or_default());
    }
    text += if head.version == Version::Http10 { " 1.0" } else { " 1.1" };
    text += &match head.framing {
        Framing::None => String::new(),
        Framing::Length(length) => format!(" length={length}"),
        Framing::Chunked => " chunked".into(),
        Framing::UntilClose => " until-close".into(),
    };
    text += &head.host.as_ref().map(|host| format!(" host={host}")).unwrap_or_default();
    text += &head.content_type.as_ref().map(|kind| format!(" type={kind}")).unwrap_or_default();
    let flags = [
        (!head.keep_alive && head.framing != Framing::UntilClose, " closes"),
        (head.keep_alive && head.framing == Framing::UntilClose, " persists"),
        (head.is_ambiguous, " ambiguous"),
        (head.upgrade, " upgrade"),
        (head.websocket, " websocket"),
        (head.expect_continue, " expects"),
        (head.event_stream, " events"),
        (head.truncated, " truncated"),
    ];
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| text += name);
    head.headers.iter().for_each(|(name, value)| text += &format!(" {name}:{value}"));
    if let Some(trace) = &head.trace {
        let format = match trace.format {
            TraceFormat::W3c => "w3c",
            TraceFormat::Sw8 => "sw8",
            TraceFormat::B3 => "b3",
        };
        let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or("-").to_owned();
        let sampled = trace.sampled.map_or("-".into(), |sampled| sampled.to_string());
        text += &format!(" {format}:{},{},{},{sampled}", trace.trace_id, part(&trace.span_id), part(&trace.segment_id));
    }
    text
}

fn render_end(name: &str, end: &Complete) -> String {
    let mut text = format!("{name} body={}", end.body_bytes);
    end.trailers.iter().for_each(|(name, value)| text += &format!(" {name}:{value}"));
    let flags = [(!end.complete, " incomplete"), (end.gap, " gap"), (end.truncated, " truncated")];
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| text += name);
    text
}
