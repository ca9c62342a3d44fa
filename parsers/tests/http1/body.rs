//! Where bodies end (RFC 9112 §6 and §7).

use rover_parsers::http1::Role;

use crate::drive::{Piece, Run};
use crate::vector::{request, response};

/// RFC 9112 §6.2.
#[test]
fn body_of_known_length_ends_after_its_bytes() {
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        .content("Hello\r\n\r\n\0\n!")
        .expect(&["200 1.1 length=12", "end body=12"])
        .check();
}

/// RFC 9110 §8.6: equal lengths, as lines or as a list, are one.
#[test]
fn repeated_equal_lengths_are_one() {
    request()
        .framing("POST /r HTTP/1.1\r\nContent-Length: 2, 02\r\ncontent-length: 2\r\n\r\n")
        .content("ok")
        .expect(&["POST /r 1.1 length=2", "end body=2"])
        .check();
}

/// RFC 9112 §6.3 makes it an unrecoverable error; an observer takes the first and says so.
#[test]
fn conflicting_lengths_are_told_and_the_first_counts() {
    request()
        .framing("POST /c HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n")
        .content("ok")
        .expect(&["POST /c 1.1 length=2 ambiguous", "end body=2"])
        .check();
}

/// A length that is no number of 64 bits is none.
#[test]
fn unreadable_lengths_are_told_and_none() {
    for length in ["-1", "+5", "0x10", "5 5", "1.0", "18446744073709551616", "", "\"5\"", "five"] {
        request()
            .framing(format!("POST /u HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"))
            .expect(&["POST /u 1.1 ambiguous", "end body=0"])
            .check();
    }
}

/// The largest length does not overflow anything.
#[test]
fn length_of_64_bits_is_counted() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"POST /big HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", b"abc"]);
    assert_eq!(run.parser().skippable(), u64::MAX - 3);
    run.close();
    assert_eq!(run.events, ["POST /big 1.1 length=18446744073709551615", "end body=3 incomplete"]);
}

/// RFC 9112 §7.1: chunk sizes are hexadecimal; extensions, even quoted, are ignored.
#[test]
fn chunks_with_extensions_are_joined() {
    request()
        .framing("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0000A;name=value;q=\"x;y\"\r\n")
        .content("0123456789")
        .framing("\r\n1 \t;ext\r\n")
        .content("\n")
        .framing("\r\n00\r\n\r\n")
        .expect(&["POST /c 1.1 chunked", "end body=11"])
        .check();
}

/// RFC 9112 §7.1.2: the trailer section follows the last chunk; configured trailers are kept.
#[test]
fn trailers_are_read() {
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n3\r\n")
        .content("abc")
        .framing("\r\n0\r\nX-Checksum: 1\r\n 2\r\nX-Other: no\r\nCookie: secret\r\n\r\n")
        .expect(&["200 1.1 chunked", "end body=3 x-checksum:1 2 cookie:*"])
        .check();
}

/// Bare LF in the coding, as in heads.
#[test]
fn chunks_may_end_with_bare_line_feeds() {
    response(&[])
        .framing("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\n")
        .content("abc")
        .framing("\n0\n\n")
        .expect(&["200 1.1 chunked", "end body=3"])
        .check();
}

/// RFC 9112 §6.1: Transfer-Encoding overrides Content-Length; both is worth telling.
#[test]
fn chunked_wins_over_length() {
    for lines in
        ["Transfer-Encoding: chunked\r\nContent-Length: 9", "Content-Length: 9\r\nTransfer-Encoding: gzip, Chunked"]
    {
        request()
            .framing(format!("POST /w HTTP/1.1\r\n{lines}\r\n\r\n1\r\n"))
            .content("x")
            .framing("\r\n0\r\n\r\n")
            .expect(&["POST /w 1.1 chunked ambiguous", "end body=1"])
            .check();
    }
}

/// RFC 9112 §6.3: the last coding of all Transfer-Encoding lines decides.
#[test]
fn last_coding_decides() {
    request()
        .framing("POST /l HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .expect(&["POST /l 1.1 chunked", "end body=0"])
        .check();
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n")
        .content("until the end")
        .until_close()
        .expect(&["200 1.1 until-close", "end body=13"])
        .check();
}

/// RFC 9112 §6.3: any transfer coding overrides the length; "identity" (RFC 2616) is none.
#[test]
fn other_coding_wins_over_length_but_identity_is_no_coding() {
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n")
        .content("until the end")
        .until_close()
        .expect(&["200 1.1 until-close ambiguous", "end body=13"])
        .check();
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n")
        .content("ok")
        .expect(&["200 1.1 length=2", "end body=2"])
        .check();
}

/// RFC 9112 §6.3: without length or chunks a response lasts until the connection ends.
#[test]
fn response_without_length_lasts_until_close() {
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"] {
        let version = if head.contains("1.0") { "1.0" } else { "1.1" };
        response(&[])
            .framing(head)
            .content("HTTP/1.1 is text here\r\n\r\n")
            .until_close()
            .expect(&[&format!("200 {version} until-close"), "end body=25"])
            .check();
    }
}

/// A slice that begins like a message is still content.
#[test]
fn content_that_looks_like_a_head_is_content() {
    let mut run = Run::other(Role::Response);
    run.slices(&[b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]).close();
    assert_eq!(run.events, ["200 1.0 until-close", "end body=19"]);
    let mut run = Run::other(Role::Request);
    run.slices(&[b"PUT / HTTP/1.1\r\nContent-Length: 18\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]).close();
    assert_eq!(run.events, ["PUT / 1.1 length=18", "end body=18"]);
}

/// An empty body until close is complete, too.
#[test]
fn close_right_behind_the_head_completes_a_body_until_close() {
    response(&[])
        .framing("HTTP/1.0 200 OK\r\nServer: old\r\n\r\n")
        .until_close()
        .expect(&["200 1.0 until-close", "end body=0"])
        .check();
}

/// A stream that ends early is an unfinished message.
#[test]
fn body_cut_by_the_end_is_incomplete() {
    let cut = [
        ("Content-Length: 10\r\n\r\nabc", "length=10", 3),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "chunked", 3),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "chunked", 3),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\nX-Checksum: 1\r\n", "chunked", 0),
    ];
    for (rest, framing, body) in cut {
        request()
            .framing(format!("PUT /cut HTTP/1.1\r\n{rest}"))
            .until_close()
            .expect(&[&format!("PUT /cut 1.1 {framing}"), &format!("end body={body} incomplete")])
            .check();
    }
}

/// A broken coding ends the message as incomplete; the next slice that begins with a message is found.
#[test]
fn broken_chunks_end_the_message_and_resynchronise() {
    for broken in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabcX0\r\n\r\n",
        "10000000000000000\r\n",
        " 5\r\nhello",
        "5x\r\nhello",
    ] {
        let head = "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut run = Run::other(Role::Request);
        run.slices(&[format!("{head}{broken}").as_bytes(), b"GET /next HTTP/1.1\r\n\r\n"]).close();
        assert_eq!(run.events[0], "POST /b 1.1 chunked");
        assert!(run.events[1].starts_with("end body=") && run.events[1].ends_with(" incomplete"), "{broken:?} {run:?}");
        assert!(run.events[2].starts_with("skipped "), "{broken:?} {run:?}");
        assert_eq!(run.events[3..], ["GET /next 1.1", "end body=0"], "{broken:?}");
    }
}

/// A body longer than announced: its rest is no message, the next one is found.
#[test]
fn bytes_beyond_the_announced_length_are_skipped() {
    let mut run = Run::other(Role::Response);
    run.slices(&[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcTOO MUCH", b"and more"]);
    run.slices(&[b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]).close();
    assert_eq!(run.events, ["200 1.1 length=3", "end body=3", "skipped 16", "404 1.1 length=0", "end body=0"]);
}

/// What the capture may leave out is exactly the content whose end is known.
#[test]
fn skippable_is_the_rest_of_known_content() {
    let mut run = Run::other(Role::Request);
    assert_eq!(run.parser().skippable(), 0);
    run.slices(&[b"PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"]);
    assert_eq!(run.parser().skippable(), 97);
    let mut run = Run::other(Role::Request);
    run.slices(&[b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"]);
    assert_eq!(run.parser().skippable(), 13);
    run.slices(&[b"defghijklmnop\r"]);
    assert_eq!(run.parser().skippable(), 0);
}

/// RFC 9110 §10.1.1: after a final answer to `Expect: 100-continue` a client may leave its body out, or send it.
#[test]
fn body_that_is_excused_may_be_left_out() {
    let head = b"PUT /big HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let cases: [(&[&[u8]], &[&str]); 4] = [
        (&[b"GET /next HTTP/1.1\r\n\r\n"], &["end body=0", "GET /next 1.1", "end body=0"]),
        (&[b"body", b"GET /next HTTP/1.1\r\n\r\n"], &["end body=4", "GET /next 1.1", "end body=0"]),
        (&[b"GET", b"!"], &["end body=4"]),
        (&[], &["end body=0"]),
    ];
    for (slices, expected) in cases {
        let mut run = Run::other(Role::Request);
        run.slices(&[head]);
        run.parser().excuse_body();
        run.slices(slices).close();
        assert_eq!(run.events[1..], *expected);
    }
}

/// What has begun, or was missed, is not left out.
#[test]
fn body_that_has_begun_is_not_excused() {
    for begun in [Piece::Bytes(b"x"), Piece::Gap(1)] {
        let mut run = Run::other(Role::Request);
        run.slices(&[b"PUT /big HTTP/1.1\r\nContent-Length: 20\r\n\r\n"]);
        run.parser().excuse_body();
        run.feed(&begun).slices(&[b"GET / HTTP/1.1\r\n\r\n"]).close();
        assert_eq!(run.events, ["PUT /big 1.1 length=20", "end body=19 incomplete"]);
        let mut run = Run::other(Role::Request);
        run.slices(&[b"PUT /big HTTP/1.1\r\nContent-Length: 20\r\n\r\n"]).feed(&begun);
        run.parser().excuse_body();
        run.slices(&[b"GET / HTTP/1.1\r\n\r\n"]).close();
        assert_eq!(run.events, ["PUT /big 1.1 length=20", "end body=19 incomplete"]);
    }
}
