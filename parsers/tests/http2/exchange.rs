//! Requests and responses on their streams.

use rover_parsers::http2::Role;

use crate::drive::Run;
use crate::vector::connection;
use crate::wire::*;

/// RFC 9113 §8.8.1 to §8.8.3.
#[test]
fn simple_exchanges_on_one_connection() {
    connection()
        .request(headers(END_STREAM, 1, get("/a?b=c")))
        .response(headers(END_STREAM, 1, block(&[status("304"), literal("x-kept", "1")])))
        .request(headers(0, 3, block(&[request("POST", "/form"), literal("content-type", "text/plain")])))
        .content(Role::Request, data(0, 3, b"abc"))
        .content(Role::Request, data(END_STREAM, 3, b"defg"))
        .response(headers(0, 3, status("200")))
        .content(Role::Response, data(0, 3, b"hello"))
        .response(data(END_STREAM, 3, b""))
        .expect(&["1 GET https://h/a?b=c", "1 asked body=0", "1 304 x-kept:1", "1 end body=0"])
        .expect(&["3 POST https://h/form type=text/plain", "3 asked body=7", "3 200", "3 end body=5"])
        .check();
}

/// RFC 9113 §8.1: several 1xx, and trailers.
#[test]
fn interim_responses_and_trailers() {
    let trailers = block(&[literal("x-checksum", "17"), literal("cookie", "secret"), literal("x-other", "1")]);
    connection()
        .request(headers(0, 1, request("PUT", "/up")))
        .response(headers(0, 1, status("100")))
        .response(headers(0, 1, block(&[status("103"), literal("x-kept", "hint")])))
        .content(Role::Request, data(0, 1, b"body"))
        .request(headers(END_STREAM, 1, literal("x-kept", "t")))
        .response(headers(0, 1, status("200")))
        .response(headers(END_STREAM, 1, trailers))
        .expect(&["1 PUT https://h/up", "1 interim 100", "1 interim 103", "1 asked body=4 x-kept:t", "1 200"])
        .expect(&["1 end body=0 x-checksum:17 cookie:*"])
        .check();
}

/// RFC 9113 §6.1, §6.2, §6.10: padding, priority, and header blocks in several frames.
#[test]
fn padding_priority_and_continuation_are_no_content() {
    let whole = block(&[get("/pad"), literal("x-kept", "kept")]);
    let (first, rest) = whole.split_at(7);
    let (second, third) = rest.split_at(20);
    let padded = [&[3][..], &[0x80, 0, 0, 0, 9], first, &[0, 0, 0]].concat();
    connection()
        .request(frame(2, 0, 1, [0, 0, 0, 0, 9]))
        .request(frame(1, END_STREAM | PADDED | PRIORITY, 1, padded))
        .request(continuation(0, 1, second))
        .request(continuation(0, 1, b""))
        .request(continuation(END_HEADERS, 1, third))
        .response(frame(1, END_HEADERS | PADDED, 1, [&[2][..], &status("200"), &[0; 2]].concat()))
        .response(data(PADDED, 1, b"\x04abc\0\0\0\0"))
        .response(data(PADDED | END_STREAM, 1, b"\0de"))
        .expect(&["1 GET https://h/pad x-kept:kept", "1 asked body=0", "1 200", "1 end body=5"])
        .check();
}

/// RFC 9113 §5.5: extensions are ignored; frames of the connection belong to nobody.
#[test]
fn other_frames_do_not_matter() {
    connection()
        .request(frame(4, ACK, 0, b""))
        .request(headers(END_STREAM, 1, get("/a")))
        .request(frame(0x42, 0xff, 1, b"\0\0\x05\x01\x05\0\0\0\x03no head"))
        .response(frame(6, 0, 0, b"12345678"))
        .response(frame(0xa, 0, 1, b"alt-svc"))
        .response(window_update(0))
        .response(window_update(1))
        .response(headers(0, 1, status("204")))
        .request(window_update(1))
        .response(data(END_STREAM, 1, b""))
        .response(frame(7, 0, 0, b"\0\0\0\x01\0\0\0\0bye"))
        .expect(&["1 GET https://h/a", "1 asked body=0", "1 204", "1 end body=0", "goaway Response Some(1) Some(0)"])
        .check();
}

/// RFC 9113 §8.5 and RFC 8441 §5: the stream is a tunnel, its bytes are its content.
#[test]
fn connect_and_websocket() {
    let fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat")];
    let extended = fields.map(|(name, value)| literal(name, value)).concat();
    let plain = block(&[literal(":method", "CONNECT"), literal(":authority", "db:5432")]);
    connection()
        .request(headers(0, 1, [extended, literal(":authority", "h")].concat()))
        .response(headers(0, 1, status("200")))
        .content(Role::Request, data(0, 1, b"frames"))
        .content(Role::Response, data(END_STREAM, 1, b"of websocket"))
        .request(headers(0, 3, plain))
        .response(headers(END_STREAM, 3, status("502")))
        .request(data(END_STREAM, 1, b""))
        .request(data(END_STREAM, 3, b""))
        .expect(&["1 CONNECT https://h/chat protocol=websocket", "1 200", "1 end body=12"])
        .expect(&["3 CONNECT -://db:5432-", "3 502", "3 end body=0", "1 asked body=6", "3 asked body=0"])
        .check();
}

/// RFC 9113 §8.3.1: without `:authority` there may be a Host header; any method is a method.
#[test]
fn host_header_and_unknown_methods() {
    let fields = [literal("host", "old"), literal("b3", "463ac35c9f6413ad-e457b5a2e4d86bd1")];
    connection()
        .request(headers(END_STREAM, 1, [literal(":method", "BREW"), literal(":path", "*"), fields.concat()].concat()))
        .response(headers(END_STREAM, 1, status("999")))
        .expect(&["1 BREW -://old* trace=463ac35c9f6413ad", "1 asked body=0", "1 999", "1 end body=0"])
        .check();
}

/// All frames of a stream with their heads, up to the end of each message; the totals have those behind it.
#[test]
fn bytes_are_those_of_frames() {
    let (ask, answer) = (get("/a"), status("200"));
    let mut run = Run::begun();
    run.request(&headers(0, 1, &ask)).response(&window_update(1)).request(&data(END_STREAM | PADDED, 1, b"\x02ab\0\0"));
    run.response(&headers(0, 1, &answer)).request(&window_update(1)).response(&data(0, 1, b"hello"));
    run.response(&headers(END_STREAM, 1, literal("x-checksum", "1"))).close();
    let [(.., request), (.., response)] = &run.ends[..] else { panic!("{:?}", run.ends) };
    assert_eq!((request.bytes, request.head_bytes), ((9 + ask.len() + 9 + 5) as u64, (9 + ask.len()) as u64));
    assert_eq!(request.body_bytes, Some(2));
    assert_eq!(response.head_bytes, (9 + answer.len()) as u64);
    assert_eq!(response.bytes, (13 + 9 + answer.len() + 14 + 9 + 14) as u64);
    assert_eq!(run.connection.counters().frames, 2 + 7);
}
