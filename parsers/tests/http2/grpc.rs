//! gRPC: service, method, status and messages.

use rover_parsers::http2::Role;

use crate::drive::Run;
use crate::vector::connection;
use crate::wire::*;

fn call(kind: &str) -> Vec<u8> {
    block(&[request("POST", "/shop.Orders/List"), literal("content-type", kind), literal("te", "trailers")])
}

fn answer(kind: &str) -> Vec<u8> {
    block(&[status("200"), literal("content-type", kind)])
}

/// gRPC over HTTP/2: messages may be anywhere in the content, the status comes in trailers.
#[test]
fn messages_both_ways_and_status_in_trailers() {
    connection()
        .request(headers(0, 1, call("application/grpc")))
        .content(Role::Request, data(0, 1, b"\0\0\0\0\x03abc\0\0\0"))
        .content(Role::Request, data(END_STREAM, 1, b"\0\x01d"))
        .response(headers(0, 1, answer("application/grpc+proto")))
        .content(Role::Response, data(0, 1, b"\x01\0\0\0\0"))
        .response(headers(END_STREAM, 1, block(&[literal("grpc-status", "14"), literal("grpc-message", "no")])))
        .expect(&["1 POST https://h/shop.Orders/List type=application/grpc grpc", "1 asked body=14 messages=2"])
        .expect(&["1 200 type=application/grpc+proto grpc", "1 end body=5 status=14 messages=1"])
        .check();
}

#[test]
fn service_and_method_are_the_path() {
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, call("application/grpc; charset=utf-8"))).close();
    assert_eq!(run.heads[0].2.grpc_call(), Some(("shop.Orders", "List")));
    let mut run = Run::begun();
    run.request(&headers(END_STREAM, 1, call("application/grpcfoo"))).close();
    assert_eq!(run.heads[0].2.grpc_call(), None);
}

/// A response of one block: its status is in the head.
#[test]
fn trailers_only() {
    connection()
        .request(headers(END_STREAM, 1, call("application/grpc")))
        .response(headers(END_STREAM, 1, block(&[answer("application/grpc"), literal("grpc-status", "12")])))
        .expect(&["1 POST https://h/shop.Orders/List type=application/grpc grpc", "1 asked body=0 messages=0"])
        .expect(&["1 200 type=application/grpc grpc", "1 end body=0 status=12 messages=0"])
        .check();
}

/// gRPC-Web: trailers are the last message of the content.
#[test]
fn web_trailers_in_the_content() {
    connection()
        .request(headers(0, 1, call("application/grpc-web+proto")))
        .content(Role::Request, data(END_STREAM, 1, b"\0\0\0\0\x01a"))
        .response(headers(0, 1, answer("application/grpc-web+proto")))
        .content(Role::Response, data(END_STREAM, 1, b"\0\0\0\0\x01b\x80\0\0\0\x0fgrpc-status:3\r\n"))
        .request(headers(END_STREAM, 3, call("application/grpc-web-text")))
        .response(headers(0, 3, answer("application/grpc-web-text")))
        .content(Role::Response, data(END_STREAM, 3, b"gAAAABBncnBjLXN0YXR1czogNQ0K"))
        .expect(&["1 POST https://h/shop.Orders/List type=application/grpc-web+proto grpc-web"])
        .expect(&["1 asked body=6 messages=1", "1 200 type=application/grpc-web+proto grpc-web"])
        .expect(&["1 end body=26 status=3 messages=1"])
        .expect(&["3 POST https://h/shop.Orders/List type=application/grpc-web-text grpc-web-text"])
        .expect(&["3 asked body=0 messages=0", "3 200 type=application/grpc-web-text grpc-web-text"])
        .expect(&["3 end body=28 status=5 messages=0"])
        .check();
}

/// What nobody saw is not counted, unless it is the inside of a message.
#[test]
fn messages_in_gaps_are_unknown() {
    let body = b"\0\0\0\0\x64";
    for (seen, expected) in [(5, "messages=2"), (4, ""), (0, "")] {
        let mut run = Run::begun();
        run.request(&headers(0, 1, call("application/grpc")));
        run.request(&[&[0, 0, 105, 0, 0, 0, 0, 0, 1], &body[..seen]].concat()).gap(Role::Request, 105 - seen as u64);
        run.request(&data(END_STREAM, 1, b"\0\0\0\0\x01!")).close();
        assert_eq!(run.events[1].trim_end(), format!("1 asked body=111 {expected}").trim_end());
    }
}
