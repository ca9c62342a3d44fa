//! Observes HTTP/1 connections given on standard input and prints what was seen, for tests in other languages.
//!
//! Input: blocks of a line and the bytes it announces: `request N`, `response N` (N bytes follow), `request-gap N`,
//! `response-gap N`, and `close`, which ends both directions and makes one line of output: a JSON list of what was told,
//! in order. Then the next connection begins.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

use rover_parsers::http1::{
    Complete, Framing, Head, KeepHeaders, Limits, Output, Parser, RequestContext, Role, Version,
};
use serde_json::{json, Map, Value};

struct Connection {
    requests: Parser,
    responses: Parser,
    /// What the responses to come are to.
    contexts: VecDeque<RequestContext>,
    told: Vec<Value>,
}

impl Connection {
    fn new() -> Connection {
        let keep_headers = KeepHeaders::new(["x-kept", "x-checksum", "cookie"]);
        let limits = Arc::new(Limits { keep_headers, ..Limits::default() });
        Connection {
            requests: Parser::new(Role::Request, limits.clone()),
            responses: Parser::new(Role::Response, limits),
            contexts: VecDeque::new(),
            told: Vec::new(),
        }
    }

    fn parser(&mut self, role: Role) -> &mut Parser {
        match role {
            Role::Request => &mut self.requests,
            Role::Response => &mut self.responses,
        }
    }

    fn bytes(&mut self, role: Role, mut data: &[u8]) {
        loop {
            let (consumed, output) = self.parser(role).step(data, 0);
            data = data.get(consumed..).unwrap_or_default();
            let is_end = output == Output::NeedMore || (output == Output::NotHttp && data.is_empty());
            self.tell(role, output);
            if is_end {
                return;
            }
        }
    }

    fn gap(&mut self, role: Role, mut n: u64) {
        while n > 0 {
            let (consumed, output) = self.parser(role).gap(n, 0);
            n -= consumed;
            self.tell(role, output);
        }
    }

    fn close(mut self) -> Value {
        for role in [Role::Request, Role::Response] {
            loop {
                match self.parser(role).close(0) {
                    Output::NeedMore => break,
                    output => self.tell(role, output),
                }
            }
        }
        Value::Array(self.told)
    }

    fn tell(&mut self, role: Role, output: Output) {
        let event = match output {
            Output::NeedMore | Output::NeedContext => return,
            Output::Skipped(n) => json!({"event": "skipped", "bytes": n}),
            Output::Tunnel(n) => json!({"event": "tunnel", "bytes": n}),
            Output::Interim(status) => json!({"event": "interim", "status": status}),
            Output::Complete(end) => end_event("complete", &end),
            Output::Lost(end) => end_event("lost", &end),
            Output::NotHttp => json!({"event": "not_http"}),
            Output::Head(head) => {
                self.pair(&head);
                head_event(&head)
            }
        };
        let mut event = event;
        event["direction"] = json!(if role == Role::Request { "request" } else { "response" });
        self.told.push(event);
    }

    fn pair(&mut self, head: &Head) {
        let Some(status) = head.status else {
            return self.contexts.push_back(head.context());
        };
        let context = self.contexts.pop_front().unwrap_or(RequestContext::Unknown);
        self.responses.set_context(context);
        if status == 101 || (context == RequestContext::Connect && (200..300).contains(&status)) {
            self.requests.into_tunnel();
        }
    }
}

fn head_event(head: &Head) -> Value {
    json!({
        "event": "head",
        "method": head.method,
        "scheme": head.scheme,
        "host": head.host,
        "path": head.path,
        "query": head.query,
        "status": head.status,
        "version": if head.version == Version::Http10 { "1.0" } else { "1.1" },
        "framing": match head.framing {
            Framing::None => json!("none"),
            Framing::Length(length) => json!(length),
            Framing::Chunked => json!("chunked"),
            Framing::UntilClose => json!("until_close"),
        },
        "head_bytes": head.head_bytes,
        "upgrade": head.upgrade,
        "keep_alive": head.keep_alive,
        "headers": fields(&head.headers),
        "truncated": head.truncated,
    })
}

fn end_event(name: &str, end: &Complete) -> Value {
    json!({
        "event": name,
        "bytes": end.bytes,
        "head_bytes": end.head_bytes,
        "body_bytes": end.body_bytes,
        "trailers": fields(&end.trailers),
        "complete": end.complete,
        "gap": end.gap,
        "truncated": end.truncated,
    })
}

fn fields(fields: &[(Box<str>, Box<str>)]) -> Value {
    let fields: Map<String, Value> = fields.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    Value::Object(fields)
}

fn main() -> std::io::Result<()> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut connection = Connection::new();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let mut words = line.split_whitespace();
        let (what, n) =
            (words.next().unwrap_or_default(), words.next().and_then(|n| n.parse().ok()).unwrap_or(0_usize));
        let role = if what.starts_with("request") { Role::Request } else { Role::Response };
        match what {
            "request" | "response" => {
                let mut data = vec![0; n];
                input.read_exact(&mut data)?;
                connection.bytes(role, &data);
            }
            "request-gap" | "response-gap" => connection.gap(role, n as u64),
            "close" => {
                let told = std::mem::replace(&mut connection, Connection::new()).close();
                writeln!(output, "{told}")?;
                output.flush()?;
            }
            _ => return Err(std::io::Error::other(format!("unknown block: {line}"))),
        }
        line.clear();
    }
    Ok(())
}
