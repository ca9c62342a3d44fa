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
