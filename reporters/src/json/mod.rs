//! JSON lines: the record exactly as the record's contract lays it down, one object a line.
//!
//! Written by hand into a byte buffer: the object has some sixty members and is made for every exchange, and a
//! derived serializer over a borrowed mirror of the record costs more code than it saves. What was not measured is
//! `null`, except in `kernel`, where it is absent.

mod activity;
mod primitives;

use std::collections::HashMap;
use std::sync::Arc;

pub use activity::ACTIVITY;
pub use primitives::{push_address, push_string};
use primitives::{push_hex, push_unsigned};

use crate::encoder::Encoder;
use crate::layers::{READ_NAMES, WRITE_NAMES};
use crate::record::{
    Connection, Endpoint, Identity, KernelSums, Kind, Message, Protocol, Record, RecordId, Side, Trace, TraceFormat,
};
use crate::wall_time::{push_digits, WallClock};

/// Identities are encoded once. The ceiling is a guard against churn, far above the processes and peers of a node.
const IDENTITIES: usize = 4096;

/// Encoder of the format `json`.
#[derive(Debug)]
pub struct JsonEncoder {
    clock: WallClock,
    second: u64,
    /// `2026-11-21T13:27:00.`, valid for `second`.
    second_text: Vec<u8>,
    /// The key is the address of the shared identity; the `Arc` kept beside the text holds that address in use.
    identities: HashMap<usize, (Arc<Identity>, Box<[u8]>)>,
}

impl Default for JsonEncoder {
    fn default() -> JsonEncoder {
        JsonEncoder { clock: WallClock::utc(), second: u64::MAX, second_text: Vec::new(), identities: HashMap::new() }
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.encode_object(record, out);
        out.push(b'\n');
    }
}

impl JsonEncoder {
    /// Appends the object without a line end.
    pub fn encode_object(&mut self, record: &Record, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        push_id(out, record.id);
        out.extend_from_slice(b"\",\"time\":\"");
        self.push_time(out, record.id.wall_ns);
        member(out, b"\",\"start_ns\":", record.start_ns);
        member(out, b",\"end_ns\":", record.end_ns);
        maybe_member(out, b",\"duration_ns\":", record.duration_ns);
        maybe_member(out, b",\"first_byte_ns\":", record.first_byte_ns);
        text_member(out, b",\"side\":", side_name(record.side));
        text_member(out, b",\"protocol\":", protocol_name(record.protocol));
        text_member(out, b",\"kind\":", kind_name(record.kind));
        push_tls(out, record);
        maybe_text(out, b",\"method\":", record.method.as_deref());
        maybe_text(out, b",\"scheme\":", record.scheme.as_deref());
        maybe_text(out, b",\"host\":", record.host.as_deref());
        maybe_text(out, b",\"path\":", record.path.as_deref());
        maybe_text(out, b",\"query\":", record.query.as_deref());
        maybe_member(out, b",\"status\":", record.status.map(u64::from));
        out.extend_from_slice(b",\"interim\":[");
        list(out, &record.interim, |out, status| push_unsigned(out, u64::from(*status)));
        out.push(b']');
        push_grpc(out, record);
        push_message(out, b",\"request\":", &record.request);
        push_message(out, b",\"response\":", &record.response);
        self.push_endpoint(out, b",\"local\":", &record.local);
        self.push_endpoint(out, b",\"remote\":", &record.remote);
        push_connection(out, &record.connection);
        push_kernel(out, record);
        out.extend_from_slice(b",\"timeline\":[");
        list(out, &record.timeline, |out, (name, offset_ns)| {
            text_member(out, b"[", name);
            member(out, b",", *offset_ns);
            out.push(b']');
        });
        out.push(b']');
        push_trace(out, record.trace.as_ref());
        out.extend_from_slice(b",\"flags\":[");
        let mut separator: &[u8] = b"";
        for name in record.flags.names() {
            text_member(out, separator, name);
            separator = b",";
        }
        out.extend_from_slice(b"]}");
    }

    fn push_time(&mut self, out: &mut Vec<u8>, wall_ns: u64) {
        let time = self.clock.at(wall_ns);
        let second = wall_ns / 1_000_000_000;
        if second != self.second {
            let (text, civil) = (&mut self.second_text, time.civil);
            text.clear();
            push_digits(text, u32::from(civil.year().unsigned_abs()), 4);
            for (separator, part) in [
                (b'-', civil.month()),
                (b'-', civil.day()),
                (b'T', civil.hour()),
                (b':', civil.minute()),
                (b':', civil.second()),
            ] {
                text.push(separator);
                push_digits(text, u32::from(part.unsigned_abs()), 2);
            }
            text.push(b'.');
            self.second = second;
        }
        out.extend_from_slice(&self.second_text);
        push_digits(out, time.subsecond_ns, 9);
        out.push(b'Z');
    }

    fn push_endpoint(&mut self, out: &mut Vec<u8>, key: &[u8], endpoint: &Endpoint) {
        out.extend_from_slice(key);
        if endpoint.is_known() {
            out.extend_from_slice(b"{\"address\":\"");
            push_address(out, endpoint.address);
            member(out, b"\",\"port\":", u64::from(endpoint.port));
        } else {
            out.extend_from_slice(b"{\"address\":null,\"port\":null");
        }
        out.extend_from_slice(b",\"identity\":");
        match &endpoint.identity {
            Some(identity) => out.extend_from_slice(self.identity_text(identity)),
            None => out.extend_from_slice(b"null"),
        }
        if let Some(via) = endpoint.via {
            out.extend_from_slice(b",\"via\":{\"address\":\"");
            push_address(out, via.ip());
            member(out, b"\",\"port\":", u64::from(via.port()));
            out.push(b'}');
        }
        out.push(b'}');
    }

    fn identity_text(&mut self, identity: &Arc<Identity>) -> &[u8] {
        let address = Arc::as_ptr(identity) as usize;
        if self.identities.len() >= IDENTITIES && !self.identities.contains_key(&address) {
            self.identities.clear();
        }
        let (_, text) = self.identities.entry(address).or_insert_with(|| {
            // Maps with text keys and plain values: serialization has no way to fail.
            let text = serde_json::to_vec(identity.as_ref()).unwrap_or_else(|_| b"null".to_vec());
            (Arc::clone(identity), text.into_boxed_slice())
        });
        text
    }
}

/// Appends 32 hex digits.
pub fn push_id(out: &mut Vec<u8>, id: RecordId) {
    push_hex(out, id.wall_ns, 16);
    push_hex(out, u64::from(id.run), 8);
    push_hex(out, u64::from(id.sequence), 8);
}

/// `server` or `client`.
pub fn side_name(side: Side) -> &'static str {
    match side {
        Side::Server => "server",
        Side::Client => "client",
    }
}

/// Name with version, as on a request line.
pub fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "HTTP/1.0",
        Protocol::Http11 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

/// The name of the kind in the record's contract.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Http => "http",
        Kind::Grpc => "grpc",
        Kind::Websocket => "websocket",
        Kind::Tunnel => "tunnel",
        Kind::Sse => "sse",
    }
}

fn member(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    push_unsigned(out, value);
}

fn maybe_member(out: &mut Vec<u8>, key: &[u8], value: Option<u64>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => push_unsigned(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn text_member(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    push_string(out, value);
}

fn maybe_text(out: &mut Vec<u8>, key: &[u8], value: Option<&str>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => push_string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut push: impl FnMut(&mut Vec<u8>, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, item);
    }
}

fn push_tls(out: &mut Vec<u8>, record: &Record) {
    match &record.tls {
        Some(tls) => {
            text_member(out, b",\"tls\":{\"library\":", &tls.library);
            maybe_text(out, b",\"version\":", tls.version.as_deref());
            maybe_text(out, b",\"server_name\":", tls.server_name.as_deref());
            maybe_text(out, b",\"alpn\":", tls.alpn.as_deref());
            maybe_text(out, b",\"cipher\":", tls.cipher.as_deref());
            maybe_member(out, b",\"handshake_ns\":", tls.handshake_ns);
            out.push(b'}');
        }
        None => out.extend_from_slice(b",\"tls\":null"),
    }
}

fn push_grpc(out: &mut Vec<u8>, record: &Record) {
    match &record.grpc {
        Some(grpc) => {
            maybe_text(out, b",\"grpc\":{\"service\":", grpc.service.as_deref());
            maybe_text(out, b",\"method\":", grpc.method.as_deref());
            maybe_member(out, b",\"status\":", grpc.status.map(u64::from));
            maybe_member(out, b",\"request_messages\":", grpc.request_messages.map(u64::from));
            maybe_member(out, b",\"response_messages\":", grpc.response_messages.map(u64::from));
            out.push(b'}');
        }
        None => out.extend_from_slice(b",\"grpc\":null"),
    }
}

fn push_message(out: &mut Vec<u8>, key: &[u8], message: &Message) {
    out.extend_from_slice(key);
    maybe_member(out, b"{\"bytes\":", message.bytes);
    maybe_member(out, b",\"head_bytes\":", message.head_bytes);
    maybe_member(out, b",\"body_bytes\":", message.body_bytes);
    push_headers(out, b",\"headers\":{", &message.headers);
    push_headers(out, b",\"trailers\":{", &message.trailers);
    out.push(b'}');
}

/// A name that occurs several times becomes one member whose values are joined by a comma, as RFC 9110 §5.2
/// combines field lines: an object with repeated names would lose all but one of them in most readers.
fn push_headers(out: &mut Vec<u8>, key: &[u8], headers: &[(Box<str>, Box<str>)]) {
    out.extend_from_slice(key);
    let mut separator: &[u8] = b"";
    for (index, (name, value)) in headers.iter().enumerate() {
        if headers.iter().take(index).any(|(earlier, _)| earlier == name) {
            continue;
        }
        text_member(out, separator, name);
        separator = b",";
        out.push(b':');
        let mut later = headers.iter().skip(index + 1).filter(|(other, _)| other == name).peekable();
        if later.peek().is_none() {
            push_string(out, value);
        } else {
            let joined = later.fold(value.to_string(), |joined, (_, value)| joined + ", " + value);
            push_string(out, &joined);
        }
    }
    out.push(b'}');
}

fn push_connection(out: &mut Vec<u8>, connection: &Connection) {
    out.extend_from_slice(b",\"connection\":{\"id\":\"");
    push_hex(out, connection.id, 16);
    member(out, b"\",\"exchange\":", u64::from(connection.exchange));
    maybe_member(out, b",\"stream\":", connection.stream.map(u64::from));
    text_member(out, b",\"role\":", side_name(connection.role));
    maybe_member(out, b",\"opened_ns\":", connection.opened_ns);
    maybe_member(out, b",\"handshake_ns\":", connection.handshake_ns);
    maybe_member(out, b",\"rtt_ns\":", connection.rtt_ns);
    if let Some(tcp) = &connection.tcp {
        member(out, b",\"tcp\":{\"sent_bytes\":", tcp.sent_bytes);
        member(out, b",\"received_bytes\":", tcp.received_bytes);
        maybe_member(out, b",\"retransmits\":", tcp.retransmits);
        maybe_member(out, b",\"out_of_order\":", tcp.out_of_order);
        maybe_member(out, b",\"zero_windows\":", tcp.zero_windows);
        out.push(b'}');
    }
    out.push(b'}');
}

fn push_kernel(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(b",\"kernel\":{");
    if let Some(sums) = &record.kernel_write {
        push_sums(out, b"\"write\":", sums, &WRITE_NAMES);
    }
    if let Some(sums) = &record.kernel_read {
        let key: &[u8] = if record.kernel_write.is_some() { b",\"read\":" } else { b"\"read\":" };
        push_sums(out, key, sums, &READ_NAMES);
    }
    out.push(b'}');
}

fn push_sums(out: &mut Vec<u8>, key: &[u8], sums: &KernelSums, names: &[&str]) {
    out.extend_from_slice(key);
    member(out, b"{\"operations\":", sums.operations);
    member(out, b",\"bytes\":", sums.bytes);
    if let Some(syscall_ns) = sums.syscall_ns {
        member(out, b",\"syscall_ns\":", syscall_ns);
    }
    if !sums.layers.is_empty() {
        for (index, name) in names.iter().enumerate() {
            if let Some(value) = sums.layers.at(index) {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                member(out, b"\":", value);
            }
        }
    }
    if sums.has_drops || !sums.drops.is_empty() {
        out.extend_from_slice(b",\"drops\":[");
        list(out, &sums.drops, |out, drop| {
            text_member(out, b"{\"reason\":", &drop.reason);
            text_member(out, b",\"location\":", &drop.location);
            member(out, b",\"count\":", drop.count);
            out.push(b'}');
        });
        out.push(b']');
    }
    if let Some(interface) = &sums.interface {
        text_member(out, b",\"interface\":", interface);
    }
    out.push(b'}');
}

fn push_trace(out: &mut Vec<u8>, trace: Option<&Trace>) {
    let Some(trace) = trace else {
        out.extend_from_slice(b",\"trace\":null");
        return;
    };
    let format = match trace.format {
        TraceFormat::W3c => "w3c",
        TraceFormat::Sw8 => "sw8",
        TraceFormat::B3 => "b3",
    };
    text_member(out, b",\"trace\":{\"format\":", format);
    text_member(out, b",\"trace_id\":", &trace.trace_id);
    maybe_text(out, b",\"span_id\":", trace.span_id.as_deref());
    if let Some(segment_id) = &trace.segment_id {
        text_member(out, b",\"segment_id\":", segment_id);
    }
    out.extend_from_slice(match trace.sampled {
        Some(true) => b",\"sampled\":true}",
        Some(false) => b",\"sampled\":false}",
        None => b",\"sampled\":null}",
    });
}

#[cfg(test)]
mod tests;
