//! What must hold for any bytes; shared by the fuzz targets and by the replay of the corpus in `cargo test`.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use rover_parsers::http1::{Complete, Head, KeepHeaders, Limits, Output, Parser, RequestContext, Role};

#[path = "exercise_http2.rs"]
pub mod http2;

const HEAD_BYTES: usize = 1024;

/// One direction, fed whole and in pieces.
pub fn request(data: &[u8]) {
    direction(Role::Request, data);
}

/// One direction, fed whole and in pieces.
pub fn response(data: &[u8]) {
    direction(Role::Response, data);
}

/// Both directions of a connection. The input is a list of operations: a byte that tells direction (bit 0), whether the bytes
/// were seen (bit 1), the end of the direction (bit 2) and the length (the rest, times 8 for gaps), then the bytes.
pub fn pair(mut data: &[u8]) {
    let mut requests = Observer::new(Parser::new(Role::Request, limits()));
    let mut responses = Observer::new(Parser::joining(Role::Response, limits()));
    let mut time_ns = 0;
    while let [operation, rest @ ..] = data {
        data = rest;
        time_ns += 1;
        let length = usize::from(operation >> 3);
        let observer = if operation & 1 == 0 { &mut requests } else { &mut responses };
        if operation & 4 != 0 {
            observer.close();
        } else if operation & 2 != 0 {
            observer.gap(length as u64 * 8, time_ns);
        } else {
            let (bytes, rest) = data.split_at(length.min(data.len()));
            data = rest;
            observer.bytes(bytes, time_ns);
        }
        responses.contexts.append(&mut requests.asked);
        if std::mem::take(&mut responses.is_tunnel) {
            requests.tunnel();
        }
    }
    requests.close();
    responses.close();
}

fn direction(role: Role, data: &[u8]) {
    let whole = run(role, data, data.len());
    run(role, data, 7);
    let bytes = run(role, data, 1);
    if whole.is_clean {
        assert_eq!(whole.told, bytes.told, "the same whole and byte by byte");
    }
    joined(role, data);
}

fn run(role: Role, data: &[u8], size: usize) -> Observer {
    let mut observer = Observer::new(Parser::new(role, limits()));
    for slice in data.chunks(size.max(1)) {
        observer.bytes(slice, 5);
    }
    observer.close();
    observer
}

fn joined(role: Role, data: &[u8]) {
    let mut observer = Observer::new(Parser::joining(role, limits()));
    for (n, slice) in data.split_inclusive(|byte| *byte == b'\n').enumerate() {
        observer.bytes(slice, n as u64);
        if n % 5 == 4 {
            observer.gap(3, n as u64);
        }
    }
    observer.close();
}

fn limits() -> Arc<Limits> {
    Arc::new(Limits { head_bytes: HEAD_BYTES, keep_headers: KeepHeaders::new(["x-kept", "cookie"]) })
}

struct Observer {
    parser: Parser,
    /// Bytes consumed that nothing has accounted for yet.
    pending: u64,
    has_head: bool,
    start_ns: u64,
    is_closed: bool,
    /// Nothing was skipped, lost, refused or broken: how the bytes are cut must not matter.
    is_clean: bool,
    told: Vec<Output>,
    /// Of requests: what responses will be to.
    asked: VecDeque<RequestContext>,
    contexts: VecDeque<RequestContext>,
    is_tunnel: bool,
}

impl Observer {
    fn new(parser: Parser) -> Observer {
        Observer {
            parser,
            pending: 0,
            has_head: false,
            start_ns: 0,
            is_closed: false,
            is_clean: true,
            told: Vec::new(),
            asked: VecDeque::new(),
            contexts: VecDeque::new(),
            is_tunnel: false,
        }
    }

    fn bytes(&mut self, mut data: &[u8], time_ns: u64) {
        for _ in 0..2 * data.len() + 4 {
            let (consumed, output) = self.parser.step(data, time_ns);
            assert!(consumed <= data.len());
            data = &data[consumed..];
            self.pending += consumed as u64;
            assert!(output != Output::NeedMore || data.is_empty());
            let is_end = output == Output::NeedMore || (output == Output::NotHttp && data.is_empty());
            self.tell(output, time_ns);
            if is_end {
                return;
            }
        }
        panic!("no end of steps");
    }

    fn gap(&mut self, mut n: u64, time_ns: u64) {
        self.is_clean = false;
        let mut steps = 0;
        while n > 0 {
            let (consumed, output) = self.parser.gap(n, time_ns);
            assert!(consumed <= n);
            n -= consumed;
            self.pending += consumed;
            self.tell(output, time_ns);
            steps += 1;
            assert!(steps < 8, "no end of a gap");
        }
    }

    fn close(&mut self) {
        for _ in 0..4 {
            match self.parser.close(u64::MAX) {
                Output::NeedMore => {
                    assert_eq!(self.pending, 0, "bytes unaccounted for");
                    self.is_closed = true;
                    return;
                }
                output => self.tell(output, u64::MAX),
            }
        }
        panic!("no end of close()");
    }

    fn tunnel(&mut self) {
        if !self.is_closed {
            self.parser.into_tunnel();
            (self.pending, self.has_head) = (0, false);
        }
    }

    fn tell(&mut self, output: Output, time_ns: u64) {
        match &output {
            Output::NeedMore => return,
            Output::NeedContext => panic!("context was given"),
            Output::Head(head) => self.head(head, time_ns),
            Output::Interim(status) => {
                assert!((100..=199).contains(status) && *status != 101 && !self.has_head);
                self.pending = 0;
            }
            Output::Complete(end) => self.end(end, time_ns),
            Output::Lost(end) => {
                assert!(end.gap && !end.complete);
                self.end(end, time_ns);
            }
            Output::Skipped(n) | Output::Tunnel(n) => {
                assert_eq!(*n, self.pending);
                assert!(!self.has_head);
                self.is_clean &= matches!(output, Output::Tunnel(_));
                self.pending = 0;
                return;
            }
            Output::NotHttp => {
                assert!(!self.has_head && self.told.is_empty());
                (self.is_clean, self.pending) = (false, 0);
                return;
            }
        }
        self.told.push(output);
    }

    fn head(&mut self, head: &Head, time_ns: u64) {
        assert!(!self.has_head && head.method.is_some() != head.status.is_some());
        assert!(head.head_bytes <= self.pending && head.start_ns <= time_ns);
        // A byte that is not UTF-8 grows to three.
        let texts = [&head.method, &head.scheme, &head.host, &head.path, &head.query, &head.content_type];
        assert!(texts.into_iter().flatten().all(|text| text.len() <= 3 * HEAD_BYTES));
        assert!(head.headers.iter().all(|(name, value)| &**name != "cookie" || &**value == "*"));
        (self.has_head, self.start_ns) = (true, head.start_ns);
        match head.status {
            None => self.asked.push_back(head.context()),
            Some(status) => {
                let context = self.contexts.pop_front().unwrap_or(RequestContext::Unknown);
                let is_success = (200..300).contains(&status);
                self.is_tunnel |= status == 101 || (is_success && context == RequestContext::Connect);
                self.parser.set_context(context);
            }
        }
    }

    fn end(&mut self, end: &Complete, time_ns: u64) {
        assert!(std::mem::take(&mut self.has_head), "an end without head");
        assert_eq!(end.bytes, self.pending);
        assert!(end.bytes >= end.head_bytes + end.body_bytes);
        assert!(self.start_ns <= end.end_ns && end.end_ns <= time_ns);
        self.is_clean &= end.complete;
        self.pending = 0;
    }
}
