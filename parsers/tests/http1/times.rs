//! Times and sizes of messages.

use std::sync::Arc;

use rover_parsers::http1::{Complete, Head, Limits, Output, Parser, RequestContext, Role};

/// Feeds slices with their times; heads and ends as they come.
fn observe(role: Role, slices: &[(&[u8], u64)]) -> (Vec<Head>, Vec<Complete>) {
    let mut parser = Parser::new(role, Arc::new(Limits::default()));
    let (mut heads, mut ends) = (Vec::new(), Vec::new());
    for (slice, time_ns) in slices {
        let mut data = *slice;
        loop {
            let (consumed, output) = parser.step(data, *time_ns);
            data = &data[consumed..];
            match output {
                Output::NeedMore => break,
                Output::Head(head) => {
                    heads.push(*head);
                    parser.set_context(RequestContext::Other);
                }
                Output::Complete(end) => ends.push(end),
                Output::Interim(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    if let Output::Complete(end) = parser.close(1_000_000) {
        ends.push(end);
    }
    (heads, ends)
}

/// Empty lines in front are no part of the head, but bytes of the message.
#[test]
fn message_begins_with_its_start_line() {
    let slices: [(&[u8], u64); 4] =
        [(b"\r\n", 10), (b"POST / HTTP/1.1\r\n", 20), (b"Content-Length: 4\r\n\r\nab", 30), (b"cd", 40)];
    let (heads, ends) = observe(Role::Request, &slices);
    assert_eq!((heads[0].start_ns, heads[0].head_bytes), (20, 38));
    assert_eq!((ends[0].end_ns, ends[0].bytes, ends[0].head_bytes, ends[0].body_bytes), (40, 44, 38, 4));
}

/// Idle time between messages belongs to none of them.
#[test]
fn message_ends_with_its_last_byte_not_with_the_next_one() {
    let slices: [(&[u8], u64); 2] = [(b"GET /a HTTP/1.1\r\n\r\n", 10), (b"GET /b HTTP/1.1\r\n\r\n", 500)];
    let (heads, ends) = observe(Role::Request, &slices);
    assert_eq!((heads[0].start_ns, ends[0].end_ns), (10, 10));
    assert_eq!((heads[1].start_ns, ends[1].end_ns), (500, 500));
}

/// The close of the connection is later than the last byte.
#[test]
fn body_until_close_ends_with_its_last_byte() {
    let (_, ends) = observe(Role::Response, &[(b"HTTP/1.0 200 OK\r\n\r\nab", 10), (b"cd", 20)]);
    assert_eq!((ends[0].end_ns, ends[0].body_bytes, ends[0].complete), (20, 4, true));
}

/// An interim response does not start the final one.
#[test]
fn final_response_begins_behind_the_interim_one() {
    let slices: [(&[u8], u64); 2] =
        [(b"HTTP/1.1 100 Continue\r\n\r\n", 10), (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 20)];
    let (heads, ends) = observe(Role::Response, &slices);
    assert_eq!((heads[0].start_ns, heads[0].head_bytes), (20, 38));
    assert_eq!((ends[0].end_ns, ends[0].bytes), (20, 38));
}

/// Chunk lines and trailers are bytes on the wire, not content.
#[test]
fn content_is_counted_without_its_coding() {
    let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\n";
    let (heads, ends) = observe(Role::Response, &[(stream, 10)]);
    assert_eq!(ends[0].body_bytes, 3);
    assert_eq!(ends[0].bytes, stream.len() as u64);
    assert_eq!(ends[0].bytes - heads[0].head_bytes, 21);
}
