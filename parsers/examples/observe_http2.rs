//! Observes HTTP/2 connections given on standard input and prints what was seen, for tests in other languages.
//!
//! Input and output are as in `observe`; besides, `joining` in front of a connection says that its beginning is missing.

use std::io::{BufRead, Read, Write};
use std::sync::Arc;

use rover_parsers::http2::{Closed, Complete, Connection, Event, Head, KeepHeaders, Limits, Role, StreamRef, Text};
use serde_json::{json, Value};

fn limits() -> Arc<Limits> {
    let keep_headers = KeepHeaders::new(["x-kept", "x-checksum", "cookie", "via", "user-agent", "grpc-status"]);
    Arc::new(Limits { keep_headers, ..Limits::default() })
}

fn tell(event: Event) -> Option<Value> {
    Some(match event {
        Event::Opened { .. } | Event::Carried { .. } => return None,
        Event::Head { stream, role, head } => of(stream, role, head_event(&head)),
        Event::Interim { stream, status } => of(stream, Role::Response, json!({"event": "interim", "status": status})),
        Event::Complete { stream, role, message } => of(stream, role, end_event(&message)),
        Event::Closed { stream, closed: Closed { reset, total_bytes, .. } } => json!({
            "event": "closed",
            "stream": stream.id,
            "reset": reset.map(|reset| reset.code),
            "bytes": total_bytes,
        }),
        Event::Goaway { role, last_stream, code } => {
            json!({"event": "goaway", "direction": direction(role), "last_stream": last_stream, "code": code})
        }
        Event::NotHttp2 => json!({"event": "not_http2"}),
    })
}

fn direction(role: Role) -> &'static str {
    match role {
        Role::Request => "request",
        Role::Response => "response",
    }
}

fn of(stream: StreamRef, role: Role, mut event: Value) -> Value {
    event["stream"] = json!(stream.id);
    event["direction"] = json!(direction(role));
    event
}

fn head_event(head: &Head) -> Value {
    let text = |text: &Option<Text>| text.as_deref().map(String::from);
    json!({
        "event": "head",
        "method": text(&head.method),
        "scheme": text(&head.scheme),
        "authority": text(&head.authority),
        "target": text(&head.target),
        "protocol": text(&head.protocol),
        "status": head.status,
        "content_type": text(&head.content_type),
        "call": head.grpc_call(),
        "headers": fields(&head.headers),
        "partial": head.hpack_partial,
        "truncated": head.truncated,
    })
}

fn end_event(end: &Complete) -> Value {
    json!({
        "event": "complete",
        "bytes": end.bytes,
        "head_bytes": end.head_bytes,
        "body_bytes": end.body_bytes,
        "trailers": fields(&end.trailers),
        "grpc_status": end.grpc_status,
        "grpc_messages": end.grpc_messages,
        "complete": end.complete,
        "gap": end.gap,
        "truncated": end.truncated,
    })
}

fn fields(fields: &[(Text, Text)]) -> Value {
    fields.iter().map(|(name, value)| json!([&**name, &**value])).collect()
}

fn main() -> std::io::Result<()> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut connection = Connection::new(limits());
    let mut events = Vec::new();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let mut words = line.split_whitespace();
        let (what, n) =
            (words.next().unwrap_or_default(), words.next().and_then(|n| n.parse().ok()).unwrap_or(0_usize));
        let role = if what.starts_with("request") { Role::Request } else { Role::Response };
        match what {
            "joining" => connection = Connection::joining(limits()),
            "request" | "response" => {
                let mut data = vec![0; n];
                input.read_exact(&mut data)?;
                connection.feed(role, &data, 0, &mut events);
            }
            "request-gap" | "response-gap" => connection.gap(role, n as u64, 0, &mut events),
            "close" => {
                connection.close(&mut events);
                let told = Value::Array(events.drain(..).filter_map(tell).collect());
                connection = Connection::new(limits());
                writeln!(output, "{told}")?;
                output.flush()?;
            }
            _ => return Err(std::io::Error::other(format!("unknown block: {line}"))),
        }
        line.clear();
    }
    Ok(())
}
