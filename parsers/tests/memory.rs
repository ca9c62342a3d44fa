//! What a parser holds stays bounded, whatever it is fed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use rover_parsers::http1::{KeepHeaders, Limits, Output, Parser, RequestContext, Role};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the thread of a test holds.
struct Counting;

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HEAD_BYTES: usize = 64 * 1024;

/// As much as the longest header line that must be survived.
const FED_BYTES: usize = 10_000_000;

/// Most that a parser may hold while it reads, and of one head: the carry buffer and its growth, and a few long strings.
const MOST_BYTES: isize = 6 * HEAD_BYTES as isize;

/// Feeds `begin`, then `part` again and again up to `total` bytes; peak of what was held meanwhile, and what is at the end.
fn peak(role: Role, begin: &[u8], part: &[u8], total: usize, end: &[u8]) -> (isize, isize) {
    let keep_headers = KeepHeaders::new(["x-kept"]);
    let limits = Arc::new(Limits { head_bytes: HEAD_BYTES, keep_headers });
    let before = HELD.get();
    PEAK.set(before);
    let mut parser = Parser::new(role, limits);
    feed(&mut parser, begin);
    for _ in 0..total / part.len() {
        feed(&mut parser, part);
    }
    feed(&mut parser, end);
    (PEAK.get() - before, HELD.get() - before)
}

fn feed(parser: &mut Parser, mut data: &[u8]) {
    loop {
        let (consumed, output) = parser.step(data, 1);
        data = &data[consumed..];
        match output {
            Output::NeedMore => return,
            Output::NotHttp if data.is_empty() => return,
            Output::Head(_) => parser.set_context(RequestContext::Other),
            _ => {}
        }
    }
}

fn assert_bounded(role: Role, begin: &[u8], part: &[u8], end: &[u8]) {
    assert_bounded_for(FED_BYTES, role, begin, part, end);
}

fn assert_bounded_for(fed_bytes: usize, role: Role, begin: &[u8], part: &[u8], end: &[u8]) {
    // Slices of some size: what matters is how much comes, not in how many steps.
    let part = part.repeat(1 + 9_997 / part.len());
    let (peak, held) = peak(role, begin, &part, fed_bytes, end);
    assert!(peak < MOST_BYTES, "{peak} bytes at most");
    assert!(held < 8192, "{held} bytes at the end");
}

#[test]
fn header_line_of_10_mb_is_bounded() {
    assert_bounded(Role::Request, b"GET / HTTP/1.1\r\nX-Kept: ", &[b'x'; 1000], b"\r\n\r\n");
    assert_bounded(Role::Request, b"GET / HTTP/1.1\r\nHost: ", &[b'x'; 100_000], b"\r\n\r\n");
}

#[test]
fn request_line_of_10_mb_is_bounded() {
    assert_bounded(Role::Request, b"GET /?", &[b'?'; 1000], b" HTTP/1.1\r\n\r\n");
}

#[test]
fn header_list_without_end_is_bounded() {
    for line in [
        &b"X-Kept: 1\r\n"[..],
        b"x-kept:\n",
        b"Host: h\r\n",
        b"b3: 1\r\n",
        b"a\n",
        b" fold\r\n",
        b"Content-Length: 1\n",
    ] {
        assert_bounded_for(20 * HEAD_BYTES, Role::Request, b"GET / HTTP/1.1\r\n", line, b"\r\n");
    }
}

#[test]
fn trailers_without_end_are_bounded() {
    let begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for line in [&b"X-Kept: 1\r\n"[..], b"x-kept:\n", b" fold\r\n", b"a"] {
        assert_bounded(Role::Response, begin, line, b"\r\n\r\n");
    }
}

#[test]
fn chunk_line_without_end_is_bounded() {
    let begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for part in [&b"0"[..], b"1;x\r\ny\r\n"] {
        assert_bounded(Role::Response, begin, part, b";");
    }
    assert_bounded(Role::Response, &[&begin[..], b"5;"].concat(), b"ext;", b"\r\n");
}

#[test]
fn streams_that_are_no_http_are_bounded() {
    for part in [&b"\r\n"[..], b"GET ", b"\0\xff\x17", b"/ HTTP/1.1 ", b"HTTP/1.1 200"] {
        assert_bounded(Role::Request, b"", part, b"");
        assert_bounded(Role::Response, b"", part, b"");
        assert_bounded(Role::Request, b"GET / HTTP/1.1\r\n\r\n", part, b"\n");
    }
}

/// A connection that waits costs next to nothing: there are many.
#[test]
fn idle_parser_holds_no_buffer() {
    let long = [b"GET /".as_slice(), &[b'a'; 20_000], b" HTTP/1.1\r\nHost: "].concat();
    let (_, held) = peak(Role::Request, &long, b"h", 1, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    assert!(held <= 1024, "{held} bytes");
    assert!(size_of::<Parser>() <= 448, "{} bytes", size_of::<Parser>());
}

mod http2 {
    use rover_parsers::http2::{Connection, Event, Role};

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// Feeds what `part` makes of 0, 1, … to a connection seen from its beginning and to a joined one.
    fn assert_bounded(most: isize, count: u32, part: impl Fn(u32) -> Vec<u8>) {
        for is_joined in [false, true] {
            let limits = Arc::new(Limits { head_bytes: HEAD_BYTES, keep_headers: KeepHeaders::new(["x-kept"]) });
            let mut events: Vec<Event> = Vec::new();
            let before = HELD.get();
            let mut connection = if is_joined { Connection::joining(limits) } else { Connection::new(limits) };
            let begin = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, b"")].concat();
            connection.feed(Role::Request, &begin, 0, &mut events);
            for n in 0..count {
                connection.feed(Role::Request, &part(n), 0, &mut events);
                events = Vec::new();
            }
            let held = HELD.get() - before;
            assert!(held < most, "{held} bytes");
        }
    }

    #[test]
    fn block_without_end_is_bounded() {
        let part = [vec![0, 6], b"x-kept".to_vec(), vec![100], vec![b'x'; 100]].concat().repeat(20);
        assert_bounded(4 * HEAD_BYTES as isize, 5000, |n| frame(if n == 0 { 1 } else { 9 }, 0, 1, &part));
    }

    #[test]
    fn table_of_a_wanted_header_is_bounded() {
        let field = |n: u32| [&b"\x82\x40\x06x-kept\x64"[..], format!("{n:0100}").as_bytes()].concat();
        assert_bounded(6 * HEAD_BYTES as isize, 10_000, |n| {
            let block = [if n == 0 { &b"\x3f\xe1\xff\xff\x03"[..] } else { b"" }, &field(n)].concat();
            let stream = 2 * n + 1;
            [frame(1, 5, stream, &block), frame(3, 0, stream, &[0; 4])].concat()
        });
    }

    #[test]
    fn streams_without_end_are_bounded() {
        assert_bounded(1024 * 1024, 20_000, |n| frame(1, 4, 2 * n + 1, b"\x82\x84\x86"));
    }

    /// There are many connections, and most wait.
    #[test]
    fn idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 1024, "{} bytes", size_of::<Connection>());
        assert_bounded(16 * 1024, 100, |n| {
            [frame(1, 5, 2 * n + 1, b"\x82\x84\x86"), frame(3, 0, 2 * n + 1, &[0; 4])].concat()
        });
    }
}
