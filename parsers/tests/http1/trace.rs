//! Trace context in request headers.

use crate::vector::request;

const W3C: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
const W3C_READ: &str = " w3c:4bf92f3577b34da6a3ce929d0e0e4736,00f067aa0ba902b7,-,true";
/// Trace id `a-b` and segment `seg.1`.
const SW8: &str = "sw8: 1-YS1i-c2VnLjE=-3-c3Zj-aW5z-L2E=-aG9zdA==\r\n";
const SW8_READ: &str = " sw8:a-b,3,seg.1,true";
const B3: &str = "b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90\r\n";
const B3_READ: &str = " b3:80f198ee56343ba864fe8b2a57d3eff7,e457b5a2e4d86bd1,-,true";
const MULTI: &str = "X-B3-TraceId: 463ac35c9f6413ad\r\nX-B3-SpanId: a2fb4a1d1a96d312\r\nX-B3-Sampled: 0\r\n";
const MULTI_READ: &str = " b3:463ac35c9f6413ad,a2fb4a1d1a96d312,-,false";

fn check(lines: &str, expected: &str) {
    request()
        .framing(format!("GET /t HTTP/1.1\r\n{lines}\r\n"))
        .expect(&[&format!("GET /t 1.1{expected}"), "end body=0"])
        .check();
}

/// W3C Trace Context §3.2; SkyWalking Cross Process Propagation Headers Protocol v3; Zipkin B3 propagation.
#[test]
fn each_format_is_read() {
    check(W3C, W3C_READ);
    check(SW8, SW8_READ);
    check(B3, B3_READ);
    check(MULTI, MULTI_READ);
}

/// Precedence does not depend on the order of the lines.
#[test]
fn w3c_wins_over_sw8_over_b3() {
    check(&[MULTI, B3, SW8, W3C].concat(), W3C_READ);
    check(&[SW8, B3].concat(), SW8_READ);
    check(&[MULTI, B3].concat(), B3_READ);
}

/// A broken context is none, and the next format counts.
#[test]
fn broken_context_is_no_context() {
    let broken = [
        "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01\r\n",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01\r\n",
        "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
        "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01\r\n",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more\r\n",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7\r\n",
        "traceparent:\r\n",
        "sw8: 2-YS1i-c2VnLjE=-3-\r\n",
        "sw8: 1-Y!1i-c2VnLjE=-3-\r\n",
        "sw8: 1-YS1i-c2VnLjE=-x-\r\n",
        "sw8: 1-YS1i-c2VnLjE=\r\n",
    ];
    for line in broken {
        check(line, "");
        check(&[line, MULTI].concat(), MULTI_READ);
    }
    for line in ["b3: 0\r\n", "b3: d\r\n", "b3: xyz-e457b5a2e4d86bd1-1\r\n", "X-B3-SpanId: a2fb4a1d1a96d312\r\n"] {
        check(line, "");
    }
}

/// W3C Trace Context §3.3: later versions may append fields, and only the lowest flag bit means sampled.
#[test]
fn later_versions_and_flags_are_read() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let read = |sampled: &str| format!(" w3c:{id},00f067aa0ba902b7,-,{sampled}");
    check(&format!("traceparent: 01-{id}-00f067aa0ba902b7-02-what-ever\r\n"), &read("false"));
    check(&format!("Traceparent: 00-{id}-00f067aa0ba902b7-03\r\n"), &read("true"));
}

/// B3: debug implies sampled; the decision may be missing.
#[test]
fn b3_decisions_are_read() {
    check("b3: 463ac35c9f6413ad-e457b5a2e4d86bd1\r\n", " b3:463ac35c9f6413ad,e457b5a2e4d86bd1,-,-");
    check("b3: 463ac35c9f6413ad-e457b5a2e4d86bd1-d\r\n", " b3:463ac35c9f6413ad,e457b5a2e4d86bd1,-,true");
    check("X-B3-TraceId: 463ac35c9f6413ad\r\nX-B3-Flags: 1\r\n", " b3:463ac35c9f6413ad,-,-,true");
}
