//! What is not HTTP/1, decided early.

use rover_parsers::http1::Role::{self, Request, Response};

use crate::drive::Run;

/// Feeds byte by byte; after how many bytes it is decided that this is not HTTP/1.
fn decided_after(role: Role, stream: &[u8]) -> Option<usize> {
    let mut run = Run::other(role);
    let decided = stream.iter().position(|byte| {
        run.slices(&[&[*byte]]);
        run.events.iter().any(|event| event == "not HTTP")
    });
    let mut whole = Run::other(role);
    whole.slices(&[stream]);
    let is_decided = whole.events.iter().any(|event| event == "not HTTP");
    assert_eq!(is_decided, decided.is_some(), "whole and byte by byte agree");
    decided.map(|index| index + 1)
}

#[test]
fn other_protocols_are_refused_within_their_first_line() {
    let cases: [(Role, &[u8], usize); 16] = [
        (Request, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 1),
        (Request, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 16),
        (Request, b"*1\r\n$4\r\nPING\r\n", 3),
        (Request, b"PING\r\n", 5),
        (Request, b"SET key value\r\n", 15),
        (Request, b"EHLO mail.example.com\r\n", 23),
        (Request, b"SSH-2.0-OpenSSH_9.6\r\n", 20),
        (Request, b"\0\0\0\x08\x04\xd2\x16\x2f", 1),
        (Request, b"GET /index.html\r\n", 17),
        (Request, b"GET / HTTP/2.0\r\n", 16),
        (Request, b"GET / http/1.1\r\n", 16),
        (Request, b"OPTIONS rtsp://host/stream RTSP/1.0\r\n", 37),
        (Response, b"220 mail.example.com ESMTP\r\n", 1),
        (Response, b"HTTP/2.0 200 OK\r\n", 6),
        (Response, b"HTTP/1.1 20x OK\r\n", 12),
        (Response, b"HTTP/1.1 2000\r\n", 13),
    ];
    for (role, stream, after) in cases {
        assert_eq!(decided_after(role, stream), Some(after), "{}", String::from_utf8_lossy(stream));
    }
}

/// No line end ever comes: the look is bounded.
#[test]
fn streams_without_lines_are_refused_after_a_few_hundred_bytes() {
    for stream in [vec![b'A'; 2000], b"A ".repeat(1000), b"\r\n".repeat(1000), b"USER xyz;".repeat(200)] {
        let after = decided_after(Request, &stream).unwrap();
        assert!(after <= 402, "{after} {}", String::from_utf8_lossy(&stream[..20]));
    }
}

/// Long targets are HTTP as long as they are paths or URLs.
#[test]
fn long_targets_are_no_reason_to_refuse() {
    for target in ["/".to_owned() + &"a".repeat(3000), "http://host/".to_owned() + &"b".repeat(3000)] {
        assert_eq!(decided_after(Request, format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()), None);
    }
}

/// Too little to tell is nothing to tell, but at the end it was no HTTP.
#[test]
fn stream_that_ends_within_its_first_line_is_not_http() {
    let mut run = Run::other(Request);
    run.slices(&[b"GE"]).close();
    assert_eq!(run.events, ["not HTTP"]);
    let mut run = Run::other(Request);
    run.close();
    assert!(run.events.is_empty());
}

/// Once HTTP was spoken a direction is never given up.
#[test]
fn junk_on_a_known_direction_is_skipped() {
    let mut run = Run::other(Request);
    run.slices(&[b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\n", b"GET /b HTTP/1.1\r\n\r\n"])
        .close();
    assert_eq!(run.events, ["GET / 1.1", "end body=0", "skipped 21", "GET /b 1.1", "end body=0"]);
}

/// The answer does not change.
#[test]
fn refusal_is_final() {
    let mut run = Run::other(Request);
    run.slices(&[b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"]);
    assert_eq!(run.events, ["not HTTP"]);
    assert_eq!(run.parser().skippable(), u64::MAX);
}
