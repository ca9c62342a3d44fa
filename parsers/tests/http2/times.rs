//! Times of messages: of their first and their last byte.

use crate::drive::Run;
use crate::wire::*;

#[test]
fn times_are_those_of_the_first_and_last_byte() {
    let mut run = Run::begun();
    let ask = headers(0, 1, get("/a"));
    // Two pieces were before; those are 1002, 1003, …
    run.request(&ask[..4]).request(&ask[4..30]).request(&ask[30..]).response(&window_update(1));
    run.request(&data(END_STREAM, 1, b"abc")[..10]).request(b"bc").response(&headers(0, 1, status("100")));
    run.response(&headers(0, 1, status("200"))).request(&window_update(1)).response(&data(END_STREAM, 1, b"")).close();
    let starts: Vec<u64> = run.heads.iter().map(|(.., head)| head.start_ns).collect();
    let ends: Vec<u64> = run.ends.iter().map(|(.., end)| end.end_ns).collect();
    assert_eq!((starts, ends), (vec![1002, 1009], vec![1007, 1011]));
}

/// A header block in several frames begins with the first.
#[test]
fn head_begins_with_its_first_frame() {
    let mut run = Run::begun();
    run.request(&frame(1, END_STREAM, 1, get("/a"))).request(&continuation(END_HEADERS, 1, b"")).close();
    assert_eq!((run.heads[0].2.start_ns, run.ends[0].2.end_ns), (1002, 1003));
}
