//! Request lines, targets and header lines.

use rover_parsers::http1::RequestContext::Other;

use crate::vector::{request, response};

/// RFC 9112 §3: request-line = method SP request-target SP HTTP-version.
#[test]
fn request_without_body_ends_with_its_head() {
    request()
        .framing("GET /index.html?a=1&b HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .expect(&["GET /index.html?a=1&b 1.1 host=example.com", "end body=0"])
        .check();
}

/// RFC 9112 §9.3.2: a client may send requests without waiting for responses.
#[test]
fn pipelined_requests_come_one_by_one() {
    request()
        .framing("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\n")
        .content("abc")
        .framing("HEAD /3 HTTP/1.1\r\n\r\n")
        .expect(&["GET /1 1.1 host=a", "end body=0", "POST /2 1.1 length=3", "end body=3", "HEAD /3 1.1", "end body=0"])
        .check();
}

/// RFC 9110 §9.1: the method is a case-sensitive token; nothing is mapped to GET.
#[test]
fn methods_are_any_token_and_kept_as_sent() {
    for method in ["get", "PURGE", "BREW", "X!#$%&'*+-.^_`|~9", "PROPFIND", "A"] {
        request()
            .framing(format!("{method} /m HTTP/1.1\r\n\r\n"))
            .expect(&[&format!("{method} /m 1.1"), "end body=0"])
            .check();
    }
}

/// RFC 9112 §2.2: a server should ignore at least one empty line in front of the request line.
#[test]
fn empty_lines_before_a_request_are_ignored() {
    request()
        .framing("\r\n\r\nGET /a HTTP/1.1\r\n\r\n\nGET /b HTTP/1.1\r\n\r\n")
        .expect(&["GET /a 1.1", "end body=0", "GET /b 1.1", "end body=0"])
        .check();
}

/// RFC 9112 §2.2: a recipient may take a single LF as line end.
#[test]
fn bare_line_feeds_end_lines() {
    request()
        .framing("POST /lf HTTP/1.1\nHost: a\nContent-Length: 2\n\n")
        .content("ok")
        .expect(&["POST /lf 1.1 length=2 host=a", "end body=2"])
        .check();
    response(&[])
        .framing("HTTP/1.1 200 OK\nContent-Length: 2\n\n")
        .content("ok")
        .expect(&["200 1.1 length=2", "end body=2"])
        .check();
}

/// RFC 9112 §5.2: a folded line continues the value; a recipient replaces the fold with spaces.
#[test]
fn folded_header_values_are_one_value() {
    request()
        .framing("POST /f HTTP/1.1\r\nX-Kept: one,\r\n \t two\r\n\tthree\r\nContent-Length:\r\n 2\r\nX:\n y\r\n\r\n")
        .content("ok")
        .expect(&["POST /f 1.1 length=2 x-kept:one, two three", "end body=2"])
        .check();
}

/// RFC 9112 §2.2: lines that begin with whitespace right behind the start line are to be ignored.
#[test]
fn whitespace_line_behind_the_start_line_is_no_field() {
    request()
        .framing("POST /w HTTP/1.1\r\n Content-Length: 9\r\n\tmore\r\nContent-Length: 1\r\n\r\n")
        .content("x")
        .expect(&["POST /w 1.1 length=1", "end body=1"])
        .check();
}

/// RFC 9112 §5.1: no whitespace belongs before the colon, but what is sent with it is read; optional around values.
#[test]
fn whitespace_around_names_and_values_is_trimmed() {
    request()
        .framing("POST /t HTTP/1.1\r\nHost:a\r\ncontent-LENGTH\t: \t 2 \t\r\nno colon\r\n: no name\r\n\r\n")
        .content("ok")
        .expect(&["POST /t 1.1 length=2 host=a", "end body=2"])
        .check();
}

/// RFC 9112 §3.2.2: absolute-form; its authority overrides the Host header.
#[test]
fn absolute_form_gives_scheme_and_host() {
    request()
        .framing("GET http://origin:8080/p?q=http://x/ HTTP/1.1\r\nHost: proxy\r\n\r\n")
        .expect(&["GET http:///p?q=http://x/ 1.1 host=origin:8080", "end body=0"])
        .check();
}

/// RFC 9110 §4.2.4: user information in a target may be a password; it is not kept.
#[test]
fn user_information_in_a_target_is_dropped() {
    request()
        .framing("GET http://user:secret@origin/p HTTP/1.1\r\n\r\n")
        .expect(&["GET http:///p 1.1 host=origin", "end body=0"])
        .check();
}

/// RFC 9110 §4.2.3: an empty path equals "/"; RFC 9112 §3.2.4: for OPTIONS it means the server.
#[test]
fn absolute_form_without_path_means_the_root() {
    request()
        .framing(
            "GET http://origin HTTP/1.1\r\n\r\nGET http://origin?q HTTP/1.1\r\n\r\nOPTIONS http://o HTTP/1.1\r\n\r\n",
        )
        .expect(&["GET http:/// 1.1 host=origin", "end body=0", "GET http:///?q 1.1 host=origin", "end body=0"])
        .expect(&["OPTIONS http://* 1.1 host=o", "end body=0"])
        .check();
}

/// RFC 9112 §3.2.3 (authority-form) and §3.2.4 (asterisk-form).
#[test]
fn authority_and_asterisk_forms_are_told_apart() {
    request()
        .framing("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nCONNECT db.example:5432 HTTP/1.1\r\nHost: b\r\n\r\n")
        .expect(&["OPTIONS * 1.1 host=a", "end body=0", "CONNECT (no path) 1.1 host=db.example:5432", "end body=0"])
        .check();
}

/// RFC 9112 §3: recipients may parse on word boundaries; a target with spaces is kept as sent.
#[test]
fn target_with_spaces_is_all_between_method_and_version() {
    request()
        .framing("GET /a b  c?d e HTTP/1.1\r\n\r\nGET  /two  HTTP/1.1 \r\n\r\n")
        .expect(&["GET /a b  c?d e 1.1", "end body=0", "GET /two 1.1", "end body=0"])
        .check();
}

/// Bad input must not hide the exchange: servers answer 400 to it.
#[test]
fn nul_and_bytes_that_are_not_utf8_in_the_path_are_kept() {
    request()
        .framing(b"GET /a\0b\xff/\xc3\xa9 HTTP/1.1\r\nX-Kept: \x80\0\r\n\r\n")
        .expect(&["GET /a\0b\u{fffd}/é 1.1 x-kept:\u{fffd}\0", "end body=0"])
        .check();
}

/// RFC 9112 §9.3: 1.1 persists unless it says close, 1.0 only if it says keep-alive.
#[test]
fn version_and_connection_options_decide_about_persistence() {
    let cases = [
        ("HTTP/1.1", "", "1.1"),
        ("HTTP/1.1", "Connection: Close\r\n", "1.1 closes"),
        ("HTTP/1.1", "Connection: te, close\r\nConnection: keep-alive\r\n", "1.1 closes"),
        ("HTTP/1.0", "", "1.0 closes"),
        ("HTTP/1.0", "Connection: foo, Keep-Alive\r\n", "1.0"),
        ("HTTP/1.3", "", "1.1"),
    ];
    for (version, line, expected) in cases {
        request()
            .framing(format!("GET /v {version}\r\n{line}\r\n"))
            .expect(&[&format!("GET /v {expected}"), "end body=0"])
            .check();
    }
}

/// Configured headers are kept in order of appearance; credentials only as a mask.
#[test]
fn configured_headers_are_kept_and_secrets_masked() {
    request()
        .framing("GET /k HTTP/1.1\r\nX-KEPT: 1\r\nCookie: session=abc\r\nX-Other: no\r\nx-kept: 2\r\n\r\n")
        .expect(&["GET /k 1.1 x-kept:1 cookie:* x-kept:2", "end body=0"])
        .check();
}

/// RFC 9110 §10.1.1.
#[test]
fn expectation_of_100_continue_is_told() {
    request()
        .framing("PUT /e HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n")
        .content("body")
        .expect(&["PUT /e 1.1 length=4 expects", "end body=4"])
        .check();
}

/// The first of several Host headers counts; a server refuses such a request.
#[test]
fn first_host_header_counts() {
    request()
        .framing("GET / HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n")
        .expect(&["GET / 1.1 host=one", "end body=0"])
        .check();
}

/// RFC 9112 §4: the reason phrase may be empty, and some servers leave out the space before it.
#[test]
fn status_lines_need_no_reason() {
    response(&[Other, Other, Other])
        .framing("HTTP/1.1 404 Not Found: it\tis gone\r\nContent-Length: 0\r\n\r\n")
        .framing("HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\nHTTP/1.0 599\r\nContent-Length: 0\r\n\r\n")
        .expect(&["404 1.1 length=0", "end body=0", "500 1.1 length=0", "end body=0"])
        .expect(&["599 1.0 length=0 closes", "end body=0"])
        .check();
}

/// Content types are kept as sent; `text/event-stream` is known in any case and with parameters.
#[test]
fn content_type_tells_event_streams() {
    response(&[])
        .framing("HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n")
        .content("data: 1\n\n")
        .framing("\r\n0\r\n\r\n")
        .expect(&["200 1.1 chunked type=Text/Event-Stream; charset=utf-8 events", "end body=9"])
        .check();
}
