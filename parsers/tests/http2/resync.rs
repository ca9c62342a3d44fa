//! Gaps that swallow frame heads.

use rover_parsers::http2::Role;

use crate::drive::Run;
use crate::wire::*;

/// The payload of DATA is a gap of exactly its length: nothing is missing.
#[test]
fn gap_of_a_payload_is_no_loss() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, get("/big"))).response(&headers(0, 1, status("200")));
    for flags in [0, 0, END_STREAM] {
        run.response(&[0, 0x40, 0, 0, flags, 0, 0, 0, 1]);
        assert_eq!(run.connection.skippable(Role::Response), 0x4000);
        run.gap(Role::Response, 0x4000);
    }
    run.close();
    assert_eq!(run.events[2..], ["1 200", "1 end body=49152"]);
    assert_eq!(run.connection.counters().resyncs, 0);
}

/// Heads in a gap: what was under way may be longer than told, and the table is unknown.
#[test]
fn gap_beyond_a_payload_loses_the_step() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, block(&[get("/a"), added("x-kept", "1")])));
    run.response(&headers(0, 1, block(&[status("200"), added("x-kept", "2")]))).response(&[0, 0, 5, 0, 0, 0, 0, 0, 1]);
    run.gap(Role::Response, 6).response(b"the end of something");
    assert!(!run.connection.is_in_step(Role::Response) && run.connection.is_in_step(Role::Request));
    run.request(&headers(END_STREAM, 3, block(&[get("/b"), indexed(62)])));
    run.response(&[data(END_STREAM, 1, b"end"), headers(END_STREAM, 3, block(&[status("200"), indexed(62)]))].concat());
    run.close();
    assert_eq!(run.events[2..4], ["1 200 x-kept:2", "3 GET https://h/b x-kept:1"]);
    assert_eq!(run.events[4..], ["3 asked body=0", "1 end body=8 gap", "3 200 partial", "3 end body=0 partial"]);
    assert_eq!(run.connection.counters().skipped_bytes, 21);
}

/// The end of a request was missed: the end of its response ends it.
#[test]
fn request_whose_end_was_missed_ends_with_the_response() {
    let mut run = Run::begun();
    run.request(&headers(0, 1, get("/a"))).gap(Role::Request, 100);
    run.response(&headers(END_STREAM, 1, status("200")));
    assert_eq!(run.connection.open_streams(), 0);
    run.close();
    assert_eq!(run.events[1..], ["1 200", "1 end body=0", "1 asked body=0 incomplete gap"]);
}

/// The head of a response was missed: its trailers are no head.
#[test]
fn trailers_of_a_missed_head_are_no_head() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, get("/a"))).gap(Role::Response, 100);
    run.response(&headers(END_STREAM, 1, block(&[literal("grpc-status", "0"), indexed(62)]))).close();
    assert_eq!(run.events, ["1 GET https://h/a", "1 asked body=0"]);
}

/// The length of padding was not seen, so neither was that of the content.
#[test]
fn padding_in_a_gap_makes_the_content_unknown() {
    let mut run = Run::begun();
    run.request(&headers(0, 1, get("/a"))).request(&[0, 0, 9, 0, PADDED | END_STREAM, 0, 0, 0, 1]);
    run.gap(Role::Request, 9).close();
    assert_eq!(run.events, ["1 GET https://h/a", "1 asked body=?"]);
}

/// What cannot be a frame shows that the step was lost unnoticed.
#[test]
fn impossible_frame_loses_the_step() {
    let mut run = Run::begun();
    run.request(&headers(0, 1, get("/a"))).request(&frame(6, 0, 1, b"no ping"));
    run.request(&headers(END_STREAM, 3, get("/b"))).close();
    let expected = ["1 GET https://h/a", "3 GET https://h/b", "3 asked body=0", "1 asked body=0 incomplete gap"];
    assert_eq!(run.events, expected);
}
