//! Connections older than the observer.

use crate::drive::Run;
use crate::wire::*;

/// A slice is an operation, and operations begin with frames.
#[test]
fn slices_of_whole_frames_are_recognised_at_once() {
    let mut run = Run::joining();
    run.request(&headers(END_STREAM, 7, get("/a"))).response(&headers(0, 7, status("200")));
    run.response(&data(END_STREAM, 7, b"hello")).close();
    assert_eq!(run.events, ["7 GET https://h/a", "7 asked body=0", "7 200", "7 end body=5"]);
    assert_eq!((run.connection.counters().resyncs, run.connection.counters().skipped_bytes), (2, 0));
}

/// Frames in the middle of a slice are believed when two follow each other.
#[test]
fn frames_behind_the_rest_of_another_are_found() {
    let mut run = Run::joining();
    let first = [b"rest of some frame".to_vec(), headers(END_STREAM, 7, get("/a")), window_update(0)].concat();
    run.request(&first).request(&headers(END_STREAM, 9, get("/b"))).close();
    assert_eq!(run.events, ["7 GET https://h/a", "7 asked body=0", "9 GET https://h/b", "9 asked body=0"]);
    assert_eq!(run.connection.counters().skipped_bytes, 18);
}

/// What begins like a frame but is none is not told.
#[test]
fn candidate_that_is_refuted_tells_nothing() {
    let mut run = Run::joining();
    run.request(&[0, 1, 0, 1, 5, 0, 0, 0, 7]).request(&[0x82; 256]).request(b"more of something else");
    assert!(!run.connection.is_in_step(rover_parsers::http2::Role::Request));
    run.request(&headers(END_STREAM, 9, get("/b"))).close();
    assert_eq!(run.events.last().map(String::as_str), Some("9 asked body=0"));
}

/// RFC 7541 §2.3.3: indexes count from the newest entry, so those added since are known. Never a wrong value.
#[test]
fn old_entries_are_unknown_and_new_ones_are_not() {
    let mut run = Run::joining();
    let method = [0x82, 0x87];
    run.request(&headers(END_STREAM, 7, block(&[method.to_vec(), indexed(63), added(":path", "/new"), indexed(64)])));
    run.request(&headers(END_STREAM, 9, block(&[method.to_vec(), indexed(62), literal(":authority", "h")])));
    run.response(&headers(END_STREAM, 7, indexed(70))).response(&headers(
        END_STREAM,
        9,
        block(&[indexed(8), indexed(70)]),
    ));
    run.close();
    assert_eq!(run.events[..2], ["7 GET https://-/new partial", "7 asked body=0 partial"]);
    assert_eq!(run.events[2..4], ["9 GET https://h/new", "9 asked body=0"]);
    assert_eq!(run.events[4..], ["7 - partial", "7 end body=0 partial", "9 200 partial", "9 end body=0 partial"]);
    assert_eq!(run.connection.counters().partial_blocks, 3);
}

/// The request was before our time: its response is told alone; so are not trailers or content alone.
#[test]
fn streams_older_than_us_are_told_as_far_as_they_are_heads() {
    let mut run = Run::joining();
    run.response(&[headers(0, 3, status("200")), data(END_STREAM, 3, b"body")].concat());
    run.response(&[data(0, 5, b"more"), headers(END_STREAM, 5, literal("grpc-status", "0"))].concat());
    run.request(&[data(END_STREAM, 5, b"more"), window_update(0)].concat()).close();
    assert_eq!(run.events, ["3 200", "3 end body=4"]);
}

#[test]
fn another_protocol_is_given_up() {
    let mut run = Run::joining();
    for _ in 0..1023 {
        run.request(b"\x17\x03\x03\x00\x05hello");
    }
    assert!(run.events.is_empty());
    run.request(b"\x17\x03\x03\x00\x05hello").response(&headers(END_STREAM, 7, status("200"))).close();
    assert_eq!(run.events, ["not HTTP/2"]);
}

/// A connection that begins otherwise is none.
#[test]
fn other_beginnings_are_refused() {
    let mut run = Run::of(rover_parsers::http2::Connection::new(crate::drive::limits()));
    run.request(b"PRI * HTTP/2.0\r\n").request(b"Host: h\r\n\r\n").close();
    assert_eq!(run.events, ["not HTTP/2"]);
    let mut run = Run::of(rover_parsers::http2::Connection::new(crate::drive::limits()));
    run.request(PREFACE).response(b"HTTP/1.1 400 Bad Request\r\n\r\n").close();
    assert_eq!(run.events, ["not HTTP/2"]);
}

/// Of a block whose status is not known, and that is not the last, only what follows tells whether it was the head.
#[test]
fn blocks_of_unknown_status_are_told_once_it_is_clear_what_they_are() {
    let mut run = Run::joining();
    let unknown = block(&[indexed(70), literal("x-kept", "1")]);
    run.response(&headers(0, 7, &unknown)).response(&headers(0, 9, &unknown)).response(&headers(0, 11, &unknown));
    run.response(&headers(0, 13, &unknown)).response(&data(END_STREAM, 7, b"it was the head"));
    run.response(&headers(END_STREAM, 9, status("204"))).response(&headers(0, 11, status("103")));
    run.response(&headers(END_STREAM, 13, literal("x-checksum", "1"))).response(&headers(
        END_STREAM,
        11,
        status("200"),
    ));
    run.close();
    assert_eq!(run.events[..2], ["7 - partial x-kept:1", "7 end body=15 partial"]);
    assert_eq!(run.events[2..4], ["9 204", "9 end body=0"]);
    assert_eq!(run.events[4..7], ["11 interim 103", "13 - partial x-kept:1", "13 end body=0 x-checksum:1 partial"]);
    assert_eq!(run.events[7..], ["11 200", "11 end body=0"]);
}
