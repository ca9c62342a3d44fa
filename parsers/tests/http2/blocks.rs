//! Header blocks: tables of both directions, and blocks that cannot be had.

use rover_parsers::http2::Role;

use crate::drive::Run;
use crate::vector::connection;
use crate::wire::*;

/// RFC 7541 §2.2: each direction has a table of its own.
#[test]
fn tables_of_the_directions_are_apart() {
    let first = block(&[get("/a"), added("x-kept", "asked")]);
    connection()
        .request(headers(END_STREAM, 1, first))
        .response(headers(END_STREAM, 1, block(&[status("200"), added("x-kept", "answered")])))
        .request(headers(END_STREAM, 3, block(&[get("/b"), indexed(62)])))
        .response(headers(END_STREAM, 3, block(&[status("200"), indexed(62)])))
        .expect(&["1 GET https://h/a x-kept:asked", "1 asked body=0", "1 200 x-kept:answered", "1 end body=0"])
        .expect(&["3 GET https://h/b x-kept:asked", "3 asked body=0", "3 200 x-kept:answered", "3 end body=0"])
        .check();
}

/// RFC 7541 §4.2: the encoder says every change of its table's size, also those that SETTINGS ask for.
#[test]
fn size_updates_evict() {
    connection()
        .response(settings(&[(1, 0)]))
        .request(headers(END_STREAM, 1, block(&[get("/a"), added("x-kept", "old")])))
        .request(headers(
            END_STREAM,
            3,
            block(&[vec![0x20, 0x3f, 0x45], get("/b"), added("x-kept", "new"), indexed(62)]),
        ))
        .response(headers(END_STREAM, 1, status("200")))
        .response(headers(END_STREAM, 3, status("200")))
        .expect(&["1 GET https://h/a x-kept:old", "1 asked body=0"])
        .expect(&["3 GET https://h/b x-kept:new x-kept:new", "3 asked body=0"])
        .expect(&["1 200", "1 end body=0", "3 200", "3 end body=0"])
        .check();
}

/// RFC 9113 §6.10: nothing may come in between. The block is lost, what comes is not, and the table is unknown.
#[test]
fn interrupted_block_is_cut() {
    let mut run = Run::begun();
    run.request(&frame(1, END_STREAM, 1, get("/a"))).request(&headers(END_STREAM, 3, block(&[get("/b"), indexed(62)])));
    run.request(&continuation(END_HEADERS, 1, added("x-kept", "1")));
    run.request(&headers(END_STREAM, 5, block(&[get("/c"), indexed(62), added("x-kept", "2"), indexed(62)])));
    run.close();
    let expected = ["1 GET https://h/a truncated", "1 asked body=0 truncated", "3 GET https://h/b partial"];
    assert_eq!(run.events[..3], expected);
    assert_eq!(
        run.events[3..],
        ["3 asked body=0 partial", "5 GET https://h/c partial x-kept:2 x-kept:2", "5 asked body=0 partial"]
    );
    assert_eq!(run.connection.counters().lost_blocks, 2);
}

/// Longer than the limit, 4096 here: its beginning is kept.
#[test]
fn long_block_is_kept_up_to_the_limit() {
    let long = literal("x-filler", &"x".repeat(100)).repeat(60);
    let whole = block(&[get("/long"), long, literal("x-kept", "1")]);
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, &whole)).close();
    assert_eq!(run.events, ["1 GET https://h/long x-kept:1", "1 asked body=0"], "in one slice nothing is copied");
    for size in [100, 3000] {
        let mut run = Run::begun();
        let mut frames = frame(1, END_STREAM, 1, &whole[..size]);
        whole[size..].chunks(size).for_each(|part| frames.extend(continuation(0, 1, part)));
        frames.extend(continuation(END_HEADERS, 1, b""));
        run.request(&frames).request(&headers(END_STREAM, 3, get("/next"))).close();
        assert_eq!(run.events[..2], ["1 GET https://h/long truncated", "1 asked body=0 truncated"]);
        assert_eq!(run.events[2..], ["3 GET https://h/next", "3 asked body=0"]);
    }
    let mut run = Run::begun();
    headers(END_STREAM, 1, &whole).chunks(1000).for_each(|part| {
        run.request(part);
    });
    run.close();
    assert_eq!(run.events, ["1 GET https://h/long truncated", "1 asked body=0 truncated"]);
}

/// RFC 7541 §2.3.3: what cannot be decoded is told up to there.
#[test]
fn malformed_block_is_kept_up_to_its_fault() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, block(&[get("/a"), indexed(70), literal("x-kept", "1")]))).close();
    assert_eq!(run.events, ["1 GET https://h/a truncated", "1 asked body=0 truncated"]);
}

/// Bytes are missing in a block of known length: the step is kept, and what comes before is known.
#[test]
fn gap_within_a_block_costs_the_fields_behind_it() {
    let bytes = headers(END_STREAM, 1, block(&[get("/a"), added("x-kept", "1")]));
    let (seen, missed) = bytes.split_at(bytes.len() - 10);
    let mut run = Run::begun();
    run.request(seen).gap(Role::Request, missed.len() as u64);
    run.request(&headers(END_STREAM, 3, block(&[get("/b"), indexed(62), added("x-kept", "2"), indexed(62)]))).close();
    assert_eq!(run.events[..2], ["1 GET https://h/a truncated", "1 asked body=0 truncated"]);
    assert_eq!(run.events[2..], ["3 GET https://h/b partial x-kept:2 x-kept:2", "3 asked body=0 partial"]);
    assert_eq!(run.connection.counters().resyncs, 0);
}
