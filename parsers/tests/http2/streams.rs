//! Streams beside each other, reset, promised, and too many.

use rover_parsers::http2::{Connection, Role};

use crate::drive::{limits, Run};
use crate::vector::connection;
use crate::wire::*;

/// Frames of many streams in any order; each stream has its own.
#[test]
fn hundreds_of_streams_at_a_time() {
    let mut run = Run::begun();
    let ids: Vec<u32> = (0..300).map(|n| 2 * n + 1).collect();
    for id in &ids {
        run.request(&headers(0, *id, get(&format!("/{id}"))));
    }
    let all = |frames: fn(u32) -> Vec<u8>| ids.iter().rev().flat_map(|id| frames(*id)).collect::<Vec<u8>>();
    run.request(&all(|id| data(END_STREAM, id, vec![0; id as usize % 7])));
    run.response(&all(|id| headers(0, id, status("200"))));
    run.response(&all(|id| data(END_STREAM, id, vec![0; id as usize % 11])));
    assert_eq!(run.connection.open_streams(), 0);
    run.close();
    for id in ids {
        let mut own: Vec<_> = run.events.iter().filter(|event| event.starts_with(&format!("{id} "))).collect();
        own.sort();
        let (asked, end) = (format!("{id} asked body={}", id % 7), format!("{id} end body={}", id % 11));
        assert_eq!(own, [&format!("{id} 200"), &format!("{id} GET https://h/{id}"), &asked, &end]);
    }
}

/// RFC 9113 §6.4: both messages end where they are.
#[test]
fn reset_ends_both_messages() {
    connection()
        .request(headers(0, 1, request("POST", "/a")))
        .response(headers(0, 1, status("200")))
        .content(Role::Response, data(0, 1, b"some"))
        .request(reset(1, 8))
        .request(headers(END_STREAM, 3, get("/b")))
        .response(reset(3, 7))
        .expect(&["1 POST https://h/a", "1 200", "1 asked body=0 incomplete", "1 end body=4 incomplete"])
        .expect(&["1 reset by Request 8", "3 GET https://h/b", "3 asked body=0", "3 reset by Response 7"])
        .check();
}

/// The peer had not seen the reset when it sent these.
#[test]
fn frames_behind_a_reset_open_nothing() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, get("/a"))).request(&reset(1, 8));
    run.response(&headers(0, 1, added("x-kept", "in the table"))).response(&data(END_STREAM, 1, b"late"));
    run.request(&headers(END_STREAM, 3, get("/b"))).response(&headers(
        END_STREAM,
        3,
        [status("200"), indexed(62)].concat(),
    ));
    run.close();
    let expected = ["1 GET https://h/a", "1 asked body=0", "1 reset by Request 8", "3 GET https://h/b"];
    assert_eq!(run.events[..4], expected);
    assert_eq!(run.events[4..], ["3 asked body=0", "3 200 x-kept:in the table", "3 end body=0"]);
}

/// RFC 9113 §8.1: a server may answer before the request is whole, and then asks to stop it.
#[test]
fn response_before_the_end_of_its_request() {
    connection()
        .request(headers(0, 1, request("POST", "/big")))
        .content(Role::Request, data(0, 1, b"beginning"))
        .response(headers(END_STREAM, 1, status("413")))
        .response(reset(1, 0))
        .expect(&["1 POST https://h/big", "1 413", "1 end body=0", "1 asked body=9 incomplete"])
        .expect(&["1 reset by Response 0"])
        .check();
}

/// RFC 9113 §8.4: the request is known from the promise.
#[test]
fn promised_requests_are_answered_on_their_stream() {
    connection()
        .request(headers(END_STREAM, 1, get("/")))
        .response(push_promise(1, 2, get("/style.css")))
        .response(headers(0, 1, status("200")))
        .response(headers(0, 2, status("201")))
        .content(Role::Response, data(END_STREAM, 2, b"css"))
        .content(Role::Response, data(END_STREAM, 1, b"html"))
        .expect(&["1 GET https://h/", "1 asked body=0", "2 GET https://h/style.css", "2 asked body=0"])
        .expect(&["1 200", "2 201", "2 end body=3", "1 end body=4"])
        .check();
}

/// RFC 7540 §3.2: the request was HTTP/1.
#[test]
fn upgraded_connection_answers_on_stream_1() {
    let mut events = Vec::new();
    let connection = Connection::upgraded(limits(), &mut events);
    assert_eq!(connection.open_streams(), 1);
    let mut events_of = |mut connection: Connection| {
        connection.feed(Role::Response, &[settings(&[]), headers(0, 1, status("200"))].concat(), 1, &mut events);
        connection.feed(Role::Request, &[PREFACE, &settings(&[])].concat(), 2, &mut events);
        connection.feed(Role::Response, &data(END_STREAM, 1, b"hello"), 3, &mut events);
        assert_eq!(connection.open_streams(), 0);
    };
    events_of(connection);
    let text = format!("{events:?}");
    assert!(text.contains("status: Some(200)") && text.contains("body_bytes: Some(5)"), "{text}");
}

/// Remains of streams do not pile up.
#[test]
fn the_oldest_of_too_many_streams_goes() {
    let mut run = Run::begun();
    for n in 0..1030 {
        run.request(&headers(0, 2 * n + 1, get("/")));
    }
    assert_eq!(run.connection.open_streams(), 1024);
    let dropped: Vec<_> = run.events.iter().filter(|event| event.ends_with("dropped")).cloned().collect();
    assert_eq!(dropped, ["1 dropped", "3 dropped", "5 dropped", "7 dropped", "9 dropped", "11 dropped"]);
    assert_eq!(run.connection.counters().dropped_streams, 6);
    run.close();
}

/// What is under way at the end of the connection is told as it is.
#[test]
fn the_end_of_the_connection_ends_all() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, get("/a"))).request(&headers(0, 3, get("/b")));
    run.response(&headers(0, 1, status("200"))).response(&data(END_STREAM, 1, b"12345")[..11]);
    run.request(&headers(0, 5, get("/c"))[..25]);
    run.close();
    assert_eq!(run.events[..4], ["1 GET https://h/a", "1 asked body=0", "3 GET https://h/b", "1 200"]);
    assert_eq!(run.events[4..6], ["5 GET -://-- truncated", "1 end body=2 incomplete"]);
    assert_eq!(run.events[6..], ["3 asked body=0 incomplete", "5 asked body=0 incomplete truncated"]);
}
