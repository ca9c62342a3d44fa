//! Responses whose framing depends on status or request (RFC 9112 §6.3).

use std::sync::Arc;

use rover_parsers::http1::RequestContext::{Head, Other, Unknown};
use rover_parsers::http1::{Limits, Output, Parser, RequestContext, Role};

use crate::vector::response;

/// RFC 9110 §9.3.2: a response to HEAD announces the body that it does not send.
#[test]
fn response_to_head_has_no_body() {
    response(&[Head, Other, Head, Head])
        .framing("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        .content("ok")
        .framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        .expect(&["200 1.1 length=1000", "end body=0", "200 1.1 length=2", "end body=2"])
        .expect(&["200 1.1 chunked", "end body=0", "200 1.1 until-close", "end body=0"])
        .check();
}

/// RFC 9112 §6.3: 204 and 304 end with their head, whatever it announces.
#[test]
fn no_content_and_not_modified_have_no_body() {
    response(&[])
        .framing("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n")
        .framing("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect(&["204 1.1", "end body=0", "304 1.1", "end body=0", "204 1.1", "end body=0"])
        .check();
}

/// RFC 9110 §15.2: any number of interim responses precede the final one.
#[test]
fn several_interim_responses_precede_the_final_one() {
    response(&[])
        .framing("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n")
        .framing("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        .content("ok")
        .expect(&["interim 100", "interim 103", "interim 102", "200 1.1 length=2", "end body=2"])
        .check();
}

/// Without the request a response is read as one to any other than HEAD and CONNECT.
#[test]
fn response_to_an_unknown_request_has_the_body_it_announces() {
    response(&[Unknown])
        .framing("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        .content("ok")
        .expect(&["200 1.1 length=2", "end body=2"])
        .check();
}

/// The parser does not guess what the engine can tell.
#[test]
fn nothing_is_consumed_until_the_request_is_told() {
    let mut parser = Parser::new(Role::Response, Arc::new(Limits::default()));
    let data = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 ";
    let (consumed, output) = parser.step(data, 1);
    assert!(matches!(output, Output::Head(_)));
    assert_eq!(parser.step(&data[consumed..], 1), (0, Output::NeedContext));
    assert_eq!(parser.gap(5, 1), (0, Output::NeedContext));
    parser.set_context(RequestContext::Other);
    let (nothing, output) = parser.step(&data[consumed..], 1);
    assert!(nothing == 0 && matches!(output, Output::Complete(_)));
}

/// What nobody knows to be the last message must stay visible: a HEAD request may have been missed.
#[test]
fn body_until_close_is_skippable_only_if_the_request_was_seen() {
    for (context, skippable) in [(Other, u64::MAX), (Unknown, 0)] {
        let mut parser = Parser::new(Role::Response, Arc::new(Limits::default()));
        parser.step(b"HTTP/1.1 200 OK\r\n\r\n", 1);
        parser.set_context(context);
        assert_eq!(parser.skippable(), skippable);
    }
}
