//! Nanoseconds per exchange (request and response) of typical heads: `cargo run --release --example http2_bench`.
//! With a name, only that case, and one round: for `valgrind --tool=callgrind`.
#![allow(clippy::panic)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rover_parsers::http2::{Connection, Event, KeepHeaders, Limits, Role};

const EXCHANGES: u32 = 20_000;
const ROUNDS: usize = 7;

/// Name; fields of the request, fields of the response; whether they are in the table after the first time. `#` is a number.
type Fields = &'static [(&'static str, &'static str, bool)];

const CASES: [(&str, Fields, Fields, bool); 3] = [
    (
        "indexed: 10 fields each, known to the table",
        &[
            (":method", "GET", true),
            (":scheme", "https", true),
            (":path", "/api/v1/orders", true),
            (":authority", "orders.shop.svc:8080", true),
            ("user-agent", "Go-http-client/2.0", true),
            ("accept", "*/*", true),
            ("accept-encoding", "gzip", true),
            ("x-forwarded-for", "10.0.0.7", true),
            ("x-forwarded-proto", "https", true),
            ("cache-control", "no-cache", true),
        ],
        &[
            (":status", "200", true),
            ("server", "nginx/1.26.0", true),
            ("date", "Sat, 01 Jun 2024 10:00:00 GMT", true),
            ("content-type", "application/json", true),
            ("content-length", "12", true),
            ("vary", "accept-encoding", true),
            ("x-frame-options", "deny", true),
            ("cache-control", "private", true),
            ("etag", "\"665ae0f0-c\"", true),
            ("accept-ranges", "bytes", true),
        ],
        false,
    ),
    (
        "changing: path, ids and lengths are literals",
        &[
            (":method", "GET", true),
            (":scheme", "https", true),
            (":path", "/api/v1/orders/#?user=17&dry=1", false),
            (":authority", "orders.shop.svc:8080", true),
            ("user-agent", "Go-http-client/2.0", true),
            ("accept", "*/*", true),
            ("accept-encoding", "gzip", true),
            ("x-request-id", "3b1f8e0c-7d6a-4f52-9a0b-#", false),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("cache-control", "no-cache", true),
        ],
        &[
            (":status", "200", true),
            ("server", "nginx/1.26.0", true),
            ("date", "Sat, 01 Jun 2024 10:00:00 GMT", true),
            ("content-type", "application/json", true),
            ("content-length", "#", false),
            ("vary", "accept-encoding", true),
            ("x-frame-options", "deny", true),
            ("cache-control", "private", true),
            ("etag", "\"665ae0f0-c\"", true),
            ("accept-ranges", "bytes", true),
        ],
        false,
    ),
    (
        "gRPC: unary, trailers",
        &[
            (":method", "POST", true),
            (":scheme", "http", true),
            (":path", "/shop.Orders/List", true),
            (":authority", "orders:8080", true),
            ("content-type", "application/grpc", true),
            ("user-agent", "grpc-go/1.64.0", true),
            ("te", "trailers", true),
            ("grpc-timeout", "#m", false),
        ],
        &[(":status", "200", true), ("content-type", "application/grpc", true)],
        true,
    ),
];

/// Writes header blocks as encoders do: Huffman strings, and what is meant to be in the table as an index.
#[derive(Default)]
struct Encoder {
    added: Vec<(String, String)>,
}

impl Encoder {
    fn string(block: &mut Vec<u8>, text: &str) {
        let mut encoded = Vec::new();
        if httlib_huffman::encode(text.as_bytes(), &mut encoded).is_err() || encoded.len() > 126 {
            panic!("{text}");
        }
        block.push(0x80 | encoded.len() as u8);
        block.extend(encoded);
    }

    fn block(&mut self, fields: Fields, number: u32) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value, is_indexed) in fields {
            let field = (name.to_string(), value.replace('#', &number.to_string()));
            let same = self.added.iter().rev().position(|other| *other == field);
            let namesake = self.added.iter().rev().position(|(other, _)| other == name);
            match (same, namesake) {
                (Some(place), _) if *is_indexed => block.push(0x80 | (62 + place as u8)),
                (_, Some(place)) if !is_indexed => {
                    // A literal without indexing whose name is in the table.
                    block.extend([15, 62 - 15 + place as u8]);
                    Encoder::string(&mut block, &field.1);
                }
                _ => {
                    block.push(0x40);
                    Encoder::string(&mut block, name);
                    Encoder::string(&mut block, &field.1);
                    self.added.push(field);
                }
            }
        }
        block
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn main() {
    let only = std::env::args().nth(1);
    println!("{:<46} {:>8} {:>10}", "case", "bytes", "ns/pair");
    for (name, request, response, is_grpc) in CASES {
        if only.as_ref().is_some_and(|only| !name.starts_with(only.as_str())) {
            continue;
        }
        let traffic = traffic(request, response, is_grpc);
        let bytes: usize = traffic.iter().map(|(request, response)| request.len() + response.len()).sum();
        let count = if only.is_some() { 1 } else { ROUNDS };
        let mut rounds: Vec<f64> = (0..count).map(|_| round(&traffic)).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name:<46} {:>8} {:>10.0}", bytes / traffic.len(), rounds[rounds.len() / 2]);
    }
}

/// Requests and responses of a connection, each in one operation.
fn traffic(request: Fields, response: Fields, is_grpc: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut requests, mut responses) = (Encoder::default(), Encoder::default());
    let exchange = |n: u32| {
        let stream = 2 * n + 1;
        let head = requests.block(request, n);
        let mut asked = frame(1, if is_grpc { 4 } else { 5 }, stream, &head);
        let mut answered = frame(1, 4, stream, &responses.block(response, n));
        if is_grpc {
            asked.extend(frame(0, 1, stream, b"\0\0\0\0\x07message"));
            answered.extend(frame(0, 0, stream, b"\0\0\0\0\x07message"));
            answered.extend(frame(1, 5, stream, &responses.block(&[("grpc-status", "0", true)], n)));
        } else {
            answered.extend(frame(0, 1, stream, b"Hello world\n"));
        }
        (asked, answered)
    };
    (0..EXCHANGES).map(exchange).collect()
}

/// Mean time of one exchange on a connection that lives for all of them.
fn round(traffic: &[(Vec<u8>, Vec<u8>)]) -> f64 {
    let limits = Arc::new(Limits { keep_headers: KeepHeaders::new(["x-request-id"]), ..Limits::default() });
    let mut connection = Connection::new(limits);
    let mut events = Vec::new();
    let settings = frame(4, 0, 0, b"");
    connection.feed(Role::Request, &[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat(), 0, &mut events);
    connection.feed(Role::Response, &settings, 0, &mut events);
    let mut closed = 0;
    let begin = Instant::now();
    for (time_ns, (request, response)) in traffic.iter().enumerate() {
        connection.feed(Role::Request, black_box(request), time_ns as u64, &mut events);
        connection.feed(Role::Response, black_box(response), time_ns as u64, &mut events);
        for event in events.drain(..) {
            closed += u32::from(matches!(event, Event::Closed { .. }));
            black_box(event);
        }
    }
    let spent = begin.elapsed();
    assert_eq!(closed, EXCHANGES);
    assert_eq!(connection.counters().lost_blocks, 0);
    spent.as_nanos() as f64 / f64::from(EXCHANGES)
}
