//! Upgrade, WebSocket and CONNECT: streams that stop being HTTP.

use rover_parsers::http1::RequestContext::{Connect, Other};
use rover_parsers::http1::Role;

use crate::drive::{Piece, Run};
use crate::vector::{request, response};

/// RFC 6455 §4.1: Upgrade and Connection together.
#[test]
fn websocket_request_is_told() {
    request()
        .framing("GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n")
        .expect(&["GET /chat 1.1 host=a upgrade websocket", "end body=0"])
        .check();
}

/// RFC 9110 §7.8: Upgrade without the connection option is no request to upgrade.
#[test]
fn upgrade_needs_the_connection_option() {
    request()
        .framing("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nConnection: upgrade\r\n\r\n")
        .framing("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        .expect(&["GET / 1.1", "end body=0", "GET / 1.1", "end body=0", "GET / 1.1 upgrade", "end body=0"])
        .check();
}

/// RFC 9110 §15.2.2: 101 is a final answer; all that follows is another protocol.
#[test]
fn switching_protocols_makes_a_tunnel() {
    response(&[])
        .framing("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .content("\u{1}\0HTTP/1.1 opaque\r\n")
        .until_close()
        .expect(&["101 1.1 upgrade websocket", "end body=0", "tunnel 19"])
        .check();
}

/// RFC 9110 §9.3.6: 2xx to CONNECT makes a tunnel, without body whatever the head says.
#[test]
fn successful_connect_makes_a_tunnel() {
    response(&[Connect])
        .framing("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n")
        .content("\x16\x03\x01 opaque")
        .until_close()
        .expect(&["200 1.1 length=5", "end body=0", "tunnel 10"])
        .check();
}

/// A refused CONNECT has a body like any response, and HTTP goes on.
#[test]
fn refused_connect_is_an_ordinary_response() {
    response(&[Connect, Other])
        .framing("HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\n")
        .content("no")
        .framing("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .expect(&["407 1.1 length=2", "end body=2", "200 1.1 length=0", "end body=0"])
        .check();
}

/// The direction of the requests becomes a tunnel when the engine says so.
#[test]
fn request_direction_becomes_a_tunnel_on_demand() {
    let mut run = Run::other(Role::Request);
    run.slices(&[b"CONNECT a:1 HTTP/1.1\r\n\r\n"]);
    run.parser().into_tunnel();
    assert_eq!(run.parser().skippable(), u64::MAX);
    run.slices(&[b"GET / HTTP/1.1\r\n\r\n"]).feed(&Piece::Gap(7)).close();
    assert_eq!(run.events, ["CONNECT (no path) 1.1 host=a:1", "end body=0", "tunnel 25"]);
}
