//! Nanoseconds per exchange (request and response) of typical heads: `cargo run --release --example http1_bench`.
#![allow(clippy::panic)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rover_parsers::http1::{KeepHeaders, Limits, Output, Parser, RequestContext, Role};

const EXCHANGES: u32 = 200_000;
const ROUNDS: usize = 7;

/// Name, request, response.
const CASES: [(&str, &str, &str); 4] = [
    (
        "wrk to nginx",
        "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nServer: nginx/1.26.0\r\nDate: Sat, 01 Jun 2024 10:00:00 GMT\r\nContent-Type: text/html\r\n\
         Content-Length: 12\r\nLast-Modified: Sat, 01 Jun 2024 09:00:00 GMT\r\nConnection: keep-alive\r\n\
         ETag: \"665ae0f0-c\"\r\nAccept-Ranges: bytes\r\n\r\nHello world\n",
    ),
    (
        "curl to an API",
        "POST /api/v1/orders?user=17&dry=1 HTTP/1.1\r\nHost: orders.shop.svc:8080\r\nUser-Agent: curl/8.5.0\r\n\
         Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"item\":12345678}",
        "HTTP/1.1 201 Created\r\ndate: Sat, 01 Jun 2024 10:00:00 GMT\r\nserver: uvicorn\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n11\r\n{\"item\":12345678}\r\n0\r\n\r\n",
    ),
    (
        "browser through a proxy, traced",
        "GET /static/app.js?v=8f3 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
         Cookie: session=3b1f8e0c7d6a4f52; theme=dark; consent=1\r\nX-Forwarded-For: 10.0.0.7\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nDate: Sat, 01 Jun 2024 10:00:00 GMT\r\nETag: \"5f\"\r\n\
         Cache-Control: public, max-age=31536000, immutable\r\nVary: Accept-Encoding\r\nX-Cache: HIT\r\n\r\n",
    ),
    (
        "100 KB download, body by arithmetic",
        "GET /big HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 102400\r\n\r\n",
    ),
];

fn main() {
    println!("{:<38} {:>8} {:>10}", "case", "bytes", "ns/pair");
    for (name, request, response) in CASES {
        let gap = if name.starts_with("100 KB") { 102_400 } else { 0 };
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(request.as_bytes(), response.as_bytes(), gap)).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name:<38} {:>8} {:>10.0}", request.len() + response.len(), rounds[ROUNDS / 2]);
    }
}

/// Mean time of one exchange on a connection that lives for all of them.
fn round(request: &[u8], response: &[u8], gap: u64) -> f64 {
    let limits = Arc::new(Limits { keep_headers: KeepHeaders::new(["x-request-id"]), ..Limits::default() });
    let mut requests = Parser::new(Role::Request, limits.clone());
    let mut responses = Parser::new(Role::Response, limits);
    let mut messages = 0_u32;
    let begin = Instant::now();
    for time_ns in 0..u64::from(EXCHANGES) {
        messages += feed(&mut requests, black_box(request), time_ns);
        messages += feed(&mut responses, black_box(response), time_ns);
        let mut left = gap;
        while left > 0 {
            let (taken, output) = responses.gap(left, time_ns);
            left -= taken;
            messages += u32::from(matches!(output, Output::Complete(_)));
        }
    }
    let spent = begin.elapsed();
    assert_eq!(messages, 2 * EXCHANGES);
    spent.as_nanos() as f64 / f64::from(EXCHANGES)
}

fn feed(parser: &mut Parser, mut data: &[u8], time_ns: u64) -> u32 {
    let mut complete = 0;
    loop {
        let (consumed, output) = parser.step(data, time_ns);
        data = data.get(consumed..).unwrap_or_default();
        match output {
            Output::NeedMore => return complete,
            Output::Head(head) => {
                parser.set_context(RequestContext::Other);
                black_box(head);
            }
            Output::Complete(_) => complete += 1,
            other => panic!("{other:?}"),
        }
    }
}
