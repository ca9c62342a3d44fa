//! Joining in mid-stream, gaps, and what is longer than the limit.

use rover_parsers::http1::{Parser, RequestContext, Role};

use crate::drive::{limits, Piece, Run};

fn joining(role: Role) -> Run {
    Run::new(Parser::joining(role, limits()), |_, _| RequestContext::Unknown)
}

/// A slice is an operation: a message begins where an operation begins.
#[test]
fn join_skips_to_the_next_slice_that_begins_with_a_message() {
    let mut run = joining(Role::Request);
    run.slices(&[b"rest of a body", b"more GET / HTTP/1.1\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"]).close();
    assert_eq!(run.events, ["skipped 37", "GET /a 1.1 host=h", "end body=0"]);
    let mut run = joining(Role::Response);
    run.slices(&[b"<html>", b"HTTP/1.1 200 OK\r\nContent-", b"Length: 2\r\n\r\nok"]).close();
    assert_eq!(run.events, ["skipped 6", "200 1.1 length=2", "end body=2"]);
}

/// The first slice seen may itself begin with a message.
#[test]
fn join_between_messages_loses_nothing() {
    let mut run = joining(Role::Request);
    run.slices(&[b"\r\nPOST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"]).close();
    assert_eq!(run.events, ["POST /a 1.1 length=1", "end body=1"]);
}

/// Text that merely begins like a request line is none once its line is complete.
#[test]
fn plausible_beginning_that_is_no_message_is_skipped() {
    let mut run = joining(Role::Request);
    run.slices(&[b"GET /home and read", b" the news\r\n", b"GET /a HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["skipped 29", "GET /a 1.1", "end body=0"]);
}

/// `ET / HTTP/1.1` may be what is left of a GET; a method nobody registered is believed when it comes repeatedly.
#[test]
fn unknown_methods_are_believed_out_of_step_only_when_repeated() {
    let mut run = joining(Role::Request);
    run.slices(&[b"ET / HTTP/1.1\r\n\r\n", b"GET /a HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["skipped 17", "GET /a 1.1", "end body=0"]);
    let mut run = joining(Role::Request);
    run.slices(&[b"BREW /1 HTTP/1.1\r\n\r\n".as_slice(); 4]).close();
    assert_eq!(run.events, ["skipped 40", "BREW /1 1.1", "end body=0", "BREW /1 1.1", "end body=0"]);
}

/// A joined direction that never shows a message is given up, after a generous look.
#[test]
fn join_of_another_protocol_is_given_up() {
    let mut run = joining(Role::Request);
    for _ in 0..1023 {
        run.slices(&[b"\x17\x03\x03\x00\x05hello"]);
    }
    assert_eq!(run.events, ["skipped 10230"]);
    run.slices(&[b"\x17\x03\x03\x00\x05hello"]);
    assert_eq!(run.events, ["skipped 10230", "not HTTP"]);
}

/// What is known of a message whose head is cut by a gap is told, and that its end is lost.
#[test]
fn gap_in_a_head_gives_the_head_so_far() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Le"]).feed(&Piece::Gap(10));
    run.slices(&[b"body", b"GET /b HTTP/1.1\r\n\r\n"]).close();
    let expected = ["POST /a 1.1 host=h truncated", "lost body=0 gap truncated incomplete", "skipped 14"];
    let flags = expected.map(|event| event.replace(" gap truncated incomplete", " incomplete gap truncated"));
    assert_eq!(run.events[..3], flags);
    assert_eq!(run.events[3..], ["GET /b 1.1", "end body=0"]);
}

/// Between messages a gap may hide whole messages.
#[test]
fn gap_between_messages_is_skipped() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"GET /a HTTP/1.1\r\n\r\n"]).feed(&Piece::Gap(100));
    run.slices(&[b"GET /b HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["GET /a 1.1", "end body=0", "skipped 100", "GET /b 1.1", "end body=0"]);
}

/// A gap before the first byte seen proves nothing about the protocol.
#[test]
fn gap_at_the_beginning_is_like_a_join() {
    let mut run = Run::other(Role::Response);
    run.feed(&Piece::Gap(3)).slices(&[b"junk", b"HTTP/1.1 204 No\r\n\r\n"]).close();
    assert_eq!(run.events, ["skipped 7", "204 1.1", "end body=0"]);
    let mut run = Run::other(Role::Request);
    run.feed(&Piece::Gap(3)).slices(&[b"GET /home and read", b" on\n", b"GET /a HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["skipped 25", "GET /a 1.1", "end body=0"]);
}

/// The length is known: the message is whole although the gap is longer than what was left of it.
#[test]
fn gap_beyond_a_body_of_known_length_completes_it() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"]).feed(&Piece::Gap(10));
    run.slices(&[b"GET /b HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["POST /a 1.1 length=5", "end body=5", "skipped 7", "GET /b 1.1", "end body=0"]);
}

/// Behind the data of a chunk its framing is missing.
#[test]
fn gap_beyond_a_chunk_loses_the_message() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]).feed(&Piece::Gap(10));
    run.slices(&[b"GET /b HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(
        run.events,
        ["POST /a 1.1 chunked", "lost body=5 incomplete gap", "skipped 7", "GET /b 1.1", "end body=0"]
    );
}

/// A captured beginning of an operation, then its rest as a gap: what long bodies look like.
#[test]
fn gap_up_to_the_end_of_a_body_completes_it() {
    for (framing, rest) in [("Content-Length: 100", ""), ("Transfer-Encoding: chunked", "\r\n0\r\n\r\n")] {
        let size = if rest.is_empty() { "" } else { "64\r\n" };
        let mut run = Run::other(Role::Response);
        run.slices(&[format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{size}start").as_bytes()]).feed(&Piece::Gap(95));
        run.slices(&[rest.as_bytes(), b"HTTP/1.1 204 No\r\n\r\n"]).close();
        assert_eq!(run.events[1..], ["end body=100", "204 1.1", "end body=0"]);
    }
}

/// A request cut by a reset is told as far as it came.
#[test]
fn end_within_a_head_gives_the_head_so_far() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-"]).close();
    assert_eq!(run.events, ["POST /a 1.1 length=5 host=h truncated", "end body=0 incomplete truncated"]);
    let mut run = Run::other(Role::Response);
    run.slices(&[b"HTTP/1.1 100 Continue\r\nX"]).close();
    assert_eq!(run.events, ["skipped 24"]);
}

/// Beyond the limit nothing more is kept, but framing still counts.
#[test]
fn head_beyond_the_limit_is_truncated_and_still_framed() {
    let filler = format!("X-Filler: {}\r\n", "f".repeat(90)).repeat(50);
    let late = "X-Kept: late\r\nHost: h\r\nContent-Length: 2\r\n\r\n";
    let stream = format!("POST /a HTTP/1.1\r\nX-Kept: early\r\n{filler}{late}okGET /b HTTP/1.1\r\n\r\n");
    for size in [stream.len(), 1, 7, 100] {
        let mut run = Run::other(Role::Request);
        stream.as_bytes().chunks(size).for_each(|slice| {
            run.slices(&[slice]);
        });
        run.close();
        let expected = ["POST /a 1.1 length=2 host=h truncated x-kept:early", "end body=2 truncated"];
        assert_eq!(run.events[..2], expected, "slices of {size}");
        assert_eq!(run.events[2..], ["GET /b 1.1", "end body=0"]);
    }
}

/// A header line, or a request line, far beyond the limit.
#[test]
fn line_beyond_the_limit_is_cut() {
    let long = "y".repeat(100_000);
    for size in [1_000_000, 1, 1000] {
        let stream =
            format!("GET /{long} HTTP/1.0\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nX-Kept: {long}\r\nHost: i\r\n\r\n");
        let mut run = Run::other(Role::Request);
        stream.as_bytes().chunks(size).for_each(|slice| {
            run.slices(&[slice]);
        });
        run.close();
        let path = &long[..4096 - "GET /".len()];
        assert_eq!(run.events[0], format!("GET /{path} 1.1 host=h truncated"), "slices of {size}");
        assert_eq!(run.events[1..], ["end body=0 truncated", "GET /b 1.1 host=i truncated", "end body=0 truncated"]);
    }
}

/// A server may answer a request line that never ends (414) and close.
#[test]
fn request_line_that_never_ends_is_told_as_far_as_it_is_kept() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"GET /", "z".repeat(10_000).as_bytes()]).close();
    assert!(run.events[0].starts_with("GET /zzz") && run.events[0].ends_with("z 1.1 truncated"));
    assert_eq!(run.events[1..], ["end body=0 incomplete truncated"]);
}

/// A cut value is no value: half a number would be a wrong length.
#[test]
fn framing_value_that_is_cut_does_not_count() {
    let stream = format!("GET /a HTTP/1.1\r\nContent-Length:{}12\r\n\r\n", " ".repeat(5000));
    let mut run = Run::other(Role::Request);
    run.slices(&[stream.as_bytes()]).close();
    assert_eq!(run.events, ["GET /a 1.1 truncated", "end body=0 truncated"]);
}

/// 1000 header lines are an ordinary head.
#[test]
fn thousand_header_lines_are_read() {
    let lines: String = (0..1000).map(|n| format!("H{n}: v\r\n")).collect();
    let stream = format!("GET /a HTTP/1.1\r\n{lines}Host: last\r\n\r\n");
    let mut run = Run::other(Role::Request);
    run.slices(&[stream.as_bytes()]).close();
    assert_eq!(run.events, ["GET /a 1.1 host=last truncated", "end body=0 truncated"]);
}

/// Trailers have the same limit.
#[test]
fn trailers_beyond_the_limit_are_truncated() {
    let lines = "X-Checksum: 123456789012345678901234567890\r\n".repeat(200);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let mut run = Run::other(Role::Response);
    run.slices(&[format!("{head}{lines}\r\n").as_bytes()]).close();
    assert_eq!(run.events[1].matches("x-checksum").count(), 93);
    assert!(run.events[1].ends_with(" truncated"));
}
