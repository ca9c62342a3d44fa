//! A record as a span, by the semantic conventions for HTTP (stable) and RPC.

use std::fmt::Write as _;

use super::attributes::Attributes;
use super::trace_context::context;
use crate::failure::maybe_failure;
use crate::layers::{READ_NAMES, WRITE_NAMES};
use crate::record::{Endpoint, KernelSums, Kind, Message, Protocol, Record, Side, TraceFormat};
use crate::wire::{push_bytes, push_fixed32, push_fixed64, push_integer, push_message, push_text};

/// Fields of `Span`.
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START: u32 = 7;
const END: u32 = 8;
const ATTRIBUTES: u32 = 9;
const EVENTS: u32 = 11;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

/// `Span.Kind`
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// `Status.code`
const ERROR: u64 = 2;

/// Methods that the conventions know; any other is `_OTHER`, so that nobody fills a table of theirs.
const METHODS: [&str; 10] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

/// Appends the fields of a `Span`.
pub fn push_span(out: &mut Vec<u8>, record: &Record) {
    let place = context(record);
    push_bytes(out, TRACE_ID, &place.trace_id);
    push_bytes(out, SPAN_ID, &place.span_id);
    push_bytes(out, PARENT_SPAN_ID, place.parent_id.as_ref().map_or(&[], |id| id.as_slice()));
    push_name(out, record);
    push_integer(out, KIND, if record.side == Side::Server { SERVER } else { CLIENT });
    push_fixed64(out, START, record.id.wall_ns);
    push_fixed64(out, END, record.id.wall_ns + record.end_ns.saturating_sub(record.start_ns));
    push_attributes(&mut Attributes::new(out, ATTRIBUTES), record);
    for (name, offset_ns) in &record.timeline {
        push_message(out, EVENTS, |event| {
            push_fixed64(event, 1, record.id.wall_ns + offset_ns);
            push_text(event, 2, name);
        });
    }
    if maybe_failure(record).is_some() {
        push_message(out, STATUS, |status| push_integer(status, 3, ERROR));
    }
    push_fixed32(out, FLAGS, u32::from(place.is_sampled == Some(true)));
}

/// `method`, or `service/method` of gRPC: a path is of too many values for a name.
fn push_name(out: &mut Vec<u8>, record: &Record) {
    if let Some((service, method)) =
        record.grpc.as_ref().and_then(|grpc| grpc.service.as_ref().zip(grpc.method.as_ref()))
    {
        let mut name = String::with_capacity(service.len() + method.len() + 1);
        let _ = write!(name, "{service}/{method}");
        return push_text(out, NAME, &name);
    }
    push_text(out, NAME, record.method.as_deref().filter(|method| METHODS.contains(method)).unwrap_or("HTTP"));
}

fn push_attributes(attributes: &mut Attributes<'_>, record: &Record) {
    push_key_attributes(attributes, record, KeyUse::Span);
    attributes.maybe_text("url.path", record.path.as_deref());
    attributes.maybe_text("url.query", record.query.as_deref());
    push_ends(attributes, record);
    push_message_attributes(attributes, "request", &record.request);
    push_message_attributes(attributes, "response", &record.response);
    push_connection(attributes, record);
    if let Some(trace) = record.trace.as_ref().filter(|trace| trace.format == TraceFormat::Sw8) {
        attributes.text("rover.sw8.trace_id", &trace.trace_id);
        attributes.maybe_text("rover.sw8.segment_id", trace.segment_id.as_deref());
        attributes.maybe_text("rover.sw8.span_id", trace.span_id.as_deref());
    }
    attributes.texts("rover.flags", record.flags.names());
    push_kernel(attributes, "write", &WRITE_NAMES, record.kernel_write.as_ref());
    push_kernel(attributes, "read", &READ_NAMES, record.kernel_read.as_ref());
}

/// What the attributes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    Span,
    /// Of bounded number.
    Metric,
}

/// What both a span and the series of its duration are told by.
pub fn push_key_attributes(attributes: &mut Attributes<'_>, record: &Record, used: KeyUse) {
    if let Some(method) = record.method.as_deref() {
        let is_known = METHODS.contains(&method);
        attributes.text("http.request.method", if is_known { method } else { "_OTHER" });
        if !is_known && used == KeyUse::Span {
            attributes.text("http.request.method_original", method);
        }
    }
    attributes.maybe_integer("http.response.status_code", record.status.map(u64::from));
    let has_tls = record.tls.is_some();
    attributes.text("url.scheme", record.scheme.as_deref().unwrap_or(if has_tls { "https" } else { "http" }));
    attributes.text("network.protocol.name", "http");
    attributes.text(
        "network.protocol.version",
        match record.protocol {
            Protocol::Http10 => "1.0",
            Protocol::Http11 => "1.1",
            Protocol::Http2 => "2",
        },
    );
    attributes.maybe_text("error.type", maybe_failure(record).as_deref());
    if record.side == Side::Client || used == KeyUse::Span {
        push_server(attributes, record);
    }
    if let Some(grpc) = &record.grpc {
        attributes.text("rpc.system", "grpc");
        attributes.maybe_text("rpc.service", grpc.service.as_deref());
        attributes.maybe_text("rpc.method", grpc.method.as_deref());
        attributes.maybe_integer("rpc.grpc.status_code", grpc.status.map(u64::from));
    }
}

/// Who was asked: as the request says, else the server's end of the connection.
fn push_server(attributes: &mut Attributes<'_>, record: &Record) {
    let end = if record.side == Side::Server { &record.local } else { &record.remote };
    match record.host.as_deref().map(split_host) {
        Some((name, port)) if !name.is_empty() => {
            attributes.text("server.address", name);
            attributes.maybe_integer("server.port", port.or(end.is_known().then_some(end.port)).map(u64::from));
        }
        _ if end.is_known() => {
            attributes.text("server.address", &end.address.to_string());
            attributes.integer("server.port", u64::from(end.port));
        }
        _ => {}
    }
}

/// Name and port of an authority; brackets of an IPv6 address are no part of it.
fn split_host(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        // A bare IPv6 address has colons and no port.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    };
    (name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name), port)
}

fn push_ends(attributes: &mut Attributes<'_>, record: &Record) {
    let push = |attributes: &mut Attributes<'_>, end: &Endpoint, address: &str, port: &str| {
        if end.is_known() {
            attributes.text(address, &end.address.to_string());
            attributes.integer(port, u64::from(end.port));
        }
    };
    push(attributes, &record.remote, "network.peer.address", "network.peer.port");
    push(attributes, &record.local, "network.local.address", "network.local.port");
    let client = if record.side == Side::Server { &record.remote } else { &record.local };
    push(attributes, client, "client.address", "client.port");
    let peer = record.remote.identity.as_ref().and_then(|identity| identity.service.as_deref());
    attributes.maybe_text("peer.service", peer);
}

fn push_message_attributes(attributes: &mut Attributes<'_>, which: &str, message: &Message) {
    attributes.maybe_integer(&format!("http.{which}.size"), message.bytes);
    attributes.maybe_integer(&format!("http.{which}.body.size"), message.body_bytes);
    let headers = &message.headers;
    for (position, (name, value)) in headers.iter().enumerate() {
        if &**name == "user-agent" {
            attributes.text("user_agent.original", value);
        }
        // All values of a name together, where it comes first.
        if headers.iter().take(position).all(|(before, _)| before != name) {
            let values = headers.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value);
            attributes.texts(&format!("http.{which}.header.{name}"), values);
        }
    }
}

fn push_connection(attributes: &mut Attributes<'_>, record: &Record) {
    let connection = &record.connection;
    attributes.text("rover.connection.id", &format!("{:016x}", connection.id));
    attributes.integer("rover.connection.exchange", u64::from(connection.exchange));
    attributes.maybe_integer("rover.connection.rtt_ns", connection.rtt_ns);
    attributes.maybe_integer("rover.first_byte_ns", record.first_byte_ns);
    let identity = record.local.identity.as_ref();
    attributes.maybe_integer("process.pid", identity.and_then(|identity| identity.pid).map(u64::from));
    attributes.maybe_text("process.executable.path", identity.and_then(|identity| identity.executable.as_deref()));
    let kind = match record.kind {
        Kind::Http => None,
        Kind::Grpc => Some("grpc"),
        Kind::Websocket => Some("websocket"),
        Kind::Tunnel => Some("tunnel"),
        Kind::Sse => Some("sse"),
    };
    attributes.maybe_text("rover.kind", kind);
    if let Some(tls) = &record.tls {
        attributes.text("tls.protocol.name", "tls");
        attributes.maybe_text(
            "tls.protocol.version",
            tls.version.as_deref().map(|version| version.trim_start_matches("TLSv")),
        );
        attributes.maybe_text("tls.cipher", tls.cipher.as_deref());
        attributes.maybe_text("tls.client.server_name", tls.server_name.as_deref());
        attributes.maybe_text("tls.next_protocol", tls.alpn.as_deref());
        attributes.text("rover.tls.library", &tls.library);
    }
}

fn push_kernel(attributes: &mut Attributes<'_>, which: &str, names: &[&str], sums: Option<&KernelSums>) {
    let Some(sums) = sums else { return };
    let mut key = format!("rover.kernel.{which}.");
    let stem = key.len();
    let mut push = |name: &str, value: Option<u64>| {
        key.truncate(stem);
        key.push_str(name);
        attributes.maybe_integer(&key, value);
    };
    push("operations", Some(sums.operations));
    push("bytes", Some(sums.bytes));
    push("syscall_ns", sums.syscall_ns);
    for (index, name) in names.iter().enumerate() {
        push(name, sums.layers.at(index));
    }
    if sums.has_drops {
        push("drops", Some(sums.drops.iter().map(|drop| drop.count).sum()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_taken_apart() {
        for (host, expected) in [
            ("shop.local", ("shop.local", None)),
            ("shop.local:8080", ("shop.local", Some(8080))),
            ("[fd00::3]:80", ("fd00::3", Some(80))),
            ("[fd00::3]", ("fd00::3", None)),
            ("fd00::3", ("fd00::3", None)),
            ("shop:x", ("shop", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split_host(host), expected, "{host}");
        }
    }
}
