//! An exchange and its connection as a record.

use std::sync::Arc;

use rover_parsers::http1::{self, Version};
use rover_parsers::http2;
use rover_reporters::layers::Layers;
use rover_reporters::record::{
    Connection as ConnectionFacts, Dropped, Endpoint, Flag, Flags, Grpc, KernelSums, Kind, Message, Operation,
    Protocol, Record, RecordId, Side, TcpFigures, Trace, TraceFormat,
};

use super::{address, query};
use crate::connection::Connection;
use crate::exchange::{Done, DroppedPackets, Exchange, Half, Head, Operations};
use crate::hooks::Figures;
use crate::options::Options;

/// The two heads of an exchange, owned: their strings move into the record.
#[derive(Debug, Default)]
pub struct Heads {
    pub request: Option<Head>,
    pub response: Option<Head>,
}

impl Heads {
    /// Of an exchange that is over.
    pub fn take(exchange: &mut Exchange) -> Heads {
        let take = |half: &mut Option<Half>| half.as_mut().and_then(|half| half.head.take());
        Heads { request: take(&mut exchange.request), response: take(&mut exchange.response) }
    }

    /// Of one that goes on.
    pub fn copy(exchange: &Exchange) -> Heads {
        let copy = |half: &Option<Half>| half.as_ref().and_then(|half| half.head.clone());
        Heads { request: copy(&exchange.request), response: copy(&exchange.response) }
    }
}

/// What holds for all records.
pub struct Setting<'a> {
    pub options: &'a Options,
    pub figures: &'a Figures,
    /// To be added to a time since boot.
    pub wall_offset_ns: u64,
    /// The governor has given something up.
    pub is_reduced: bool,
}

/// The record of an exchange, complete or (`is_unfinished`) under way.
pub fn record(
    mut id: RecordId,
    exchange: &Exchange,
    heads: Heads,
    connection: &Connection,
    setting: &Setting<'_>,
    is_unfinished: bool,
) -> Box<Record> {
    let Heads { request: request_head, response: response_head } = heads;
    let side = connection.side_of(exchange);
    let start_ns = start_of(exchange, request_head.as_ref(), side);
    // Set once: a completed record has the id that it was first told with, whatever the clock did since.
    if id.wall_ns == 0 {
        id.wall_ns = start_ns.wrapping_add(setting.wall_offset_ns);
    }
    let end_ns = end_of(exchange).max(start_ns);
    let has_both = exchange.request.is_some() && exchange.response.is_some();
    let first_byte_ns =
        has_both.then(|| response_head.as_ref().map(|head| head.start_ns().saturating_sub(start_ns))).flatten();
    let status = response_head.as_ref().and_then(Head::status);
    let (kernel_write, kernel_read) = kernel_sums(exchange, connection, side, setting.figures);
    let (request_view, response_view) = (request_head.as_ref(), response_head.as_ref());
    let kind = kind_of(exchange, request_view, response_view);
    let request = message(exchange.request.as_ref(), request_view, exchange.tunnel_bytes[0], exchange);
    let response = message(exchange.response.as_ref(), response_view, exchange.tunnel_bytes[1], exchange);
    let mut flags = flags_of(exchange, request_view, response_view, connection, is_unfinished);
    if setting.is_reduced {
        flags.set(Flag::Reduced);
    }
    let protocol = protocol_of(exchange, request_view.or(response_view));
    let timeline = timeline(exchange, side, start_ns, end_ns, is_unfinished);
    let mut record = Record {
        id,
        start_ns,
        end_ns,
        duration_ns: (has_both && !is_unfinished).then(|| end_ns - start_ns),
        first_byte_ns,
        side,
        protocol,
        kind,
        tls: connection.maybe_tls(exchange),
        method: None,
        scheme: None,
        host: None,
        path: None,
        query: None,
        status,
        interim: exchange.interim.clone(),
        grpc: None,
        request,
        response,
        local: endpoint(connection.local, connection.local_port),
        remote: endpoint(connection.remote, connection.remote_port),
        connection: ConnectionFacts {
            id: connection.id,
            exchange: exchange.number,
            stream: exchange.stream,
            role: connection.role.unwrap_or(side),
            opened_ns: connection.opened_ns,
            handshake_ns: connection.handshake_ns,
            rtt_ns: connection.rtt_ns,
            tcp: tcp_of(connection),
        },
        kernel_write,
        kernel_read,
        timeline,
        trace: None,
        flags,
        operations: Vec::new(),
    };
    if let Some(head) = request_head {
        fill_request(&mut record, head, setting.options);
    }
    match response_head {
        Some(Head::Http1(head)) => record.response.headers = head.headers,
        Some(Head::Http2(head)) => record.response.headers = boxed_fields(&head.headers),
        None => {}
    }
    if record.kind == Kind::Grpc {
        record.grpc = Some(grpc(exchange, record.path.as_deref()));
    }
    Box::new(record)
}

/// What the request's head says; of HTTP/1 its strings move.
fn fill_request(record: &mut Record, head: Head, options: &Options) {
    let (query, trace_context) = match head {
        Head::Http1(head) => {
            record.request.headers = head.headers;
            record.method = head.method;
            record.scheme = head.scheme;
            record.host = head.host;
            record.path = head.path;
            (head.query, head.trace)
        }
        Head::Http2(head) => {
            let boxed = |text: &Option<http2::Text>| text.as_deref().map(Box::from);
            record.request.headers = boxed_fields(&head.headers);
            record.method = boxed(&head.method);
            record.scheme = boxed(&head.scheme);
            record.host = boxed(&head.authority);
            record.path = head.path().map(Box::from);
            (head.query().map(Box::from), head.trace)
        }
    };
    record.query = query::shown(query, options.capture.query);
    record.trace = trace_context.map(trace);
}

fn boxed_fields(fields: &[(http2::Text, http2::Text)]) -> Vec<(Box<str>, Box<str>)> {
    fields.iter().map(|(name, value)| (Box::from(&**name), Box::from(&**value))).collect()
}

/// As access logs have it: the version of the request, unless it was answered in HTTP/2.
fn protocol_of(exchange: &Exchange, head: Option<&Head>) -> Protocol {
    match head {
        _ if exchange.stream.is_some() => Protocol::Http2,
        Some(Head::Http1(head)) if head.version == Version::Http10 => Protocol::Http10,
        _ => Protocol::Http11,
    }
}

/// `/package.Service/Method`, where the service may itself have slashes.
fn grpc(exchange: &Exchange, path: Option<&str>) -> Grpc {
    let call =
        path.and_then(|path| path.strip_prefix('/')?.rsplit_once('/')).filter(|(service, _)| !service.is_empty());
    let done = |half: &Option<Half>| half.as_ref().and_then(|half| half.done.clone());
    let (request, response) = (done(&exchange.request), done(&exchange.response));
    Grpc {
        service: call.map(|(service, _)| service.into()),
        method: call.map(|(_, method)| method.into()),
        status: response.as_ref().and_then(|done| done.grpc_status),
        request_messages: request.and_then(|done| done.grpc_messages),
        response_messages: response.and_then(|done| done.grpc_messages),
    }
}

fn tcp_of(connection: &Connection) -> Option<TcpFigures> {
    let [retransmits, out_of_order, zero_windows] = connection.meter.tcp();
    let [received_bytes, sent_bytes] = connection.moved;
    let has_any = retransmits.or(out_of_order).is_some();
    has_any.then_some(TcpFigures { sent_bytes, received_bytes, retransmits, out_of_order, zero_windows })
}

/// The operations of an exchange that is over, for its record.
pub fn take_operations(exchange: &mut Exchange) -> Vec<Operation> {
    let take = |half: &mut Option<Half>| half.as_mut().map(|half| std::mem::take(&mut half.operations.list));
    let mut list = take(&mut exchange.request).unwrap_or_default();
    if let Some(interim) = &mut exchange.interim_operations {
        list.append(&mut interim.list);
    }
    if let Some(mut response) = take(&mut exchange.response) {
        list.append(&mut response);
    }
    list
}

/// Of one that goes on.
pub fn copy_operations(exchange: &Exchange) -> Vec<Operation> {
    all_operations(exchange).into_iter().flat_map(|part| part.list.iter().cloned()).collect()
}

/// Request, interim responses, response.
fn all_operations(exchange: &Exchange) -> [&Operations; 3] {
    static NONE: Operations = Operations::NONE;
    [
        exchange.request.as_ref().map_or(&NONE, |half| &half.operations),
        exchange.interim_operations.as_deref().unwrap_or(&NONE),
        exchange.response.as_ref().map_or(&NONE, |half| &half.operations),
    ]
}

/// Server: the first packet of the request reached the interface; where no hook shows that, the read that returned the
/// first byte has come back (its entry would count idle time). Client: the first write was entered.
fn start_of(exchange: &Exchange, head: Option<&Head>, side: Side) -> u64 {
    match (&exchange.request, side) {
        (Some(half), Side::Client) => half.begin_ns,
        (Some(half), Side::Server) => {
            let read_ns = head.map_or(half.begin_ns, Head::start_ns).max(half.begin_ns);
            let arrived_ns = half.operations.times[0];
            if arrived_ns != 0 && arrived_ns < read_ns {
                arrived_ns
            } else {
                read_ns
            }
        }
        (None, _) => exchange.begin_ns(),
    }
}

/// The last byte of the response; where there is none, the last activity.
fn end_of(exchange: &Exchange) -> u64 {
    let half_end = |half: &Option<Half>| {
        half.as_ref().map_or(0, |half| {
            half.done.as_ref().map_or(half.operations.end_ns.max(half.begin_ns), |done| done.end_ns.max(half.begin_ns))
        })
    };
    let response = half_end(&exchange.response);
    let tunnel = if exchange.is_upgraded {
        all_operations(exchange).iter().map(|part| part.end_ns).max().unwrap_or(0)
    } else {
        0
    };
    if exchange.response.is_some() {
        response.max(tunnel)
    } else {
        half_end(&exchange.request).max(exchange.interim_operations.as_ref().map_or(0, |interim| interim.end_ns))
    }
}

fn kernel_sums(
    exchange: &Exchange,
    connection: &Connection,
    side: Side,
    figures: &Figures,
) -> (Option<KernelSums>, Option<KernelSums>) {
    let sums = |all: &[&Operations], is_sent: bool| {
        let parts = || all.iter().filter(|part| part.count > 0);
        let first = parts().next()?;
        let layers = layers_of(all);
        Some(KernelSums {
            operations: parts().map(|part| part.count).sum(),
            bytes: parts().map(|part| part.bytes).sum(),
            syscall_ns: parts().map(|part| part.syscall_ns).sum(),
            layers,
            has_drops: is_sent && figures.drops,
            drops: exchange.drops.iter().filter(|drop| drop.is_sent == is_sent).map(dropped).collect(),
            interface: connection.maybe_interface(first.interface).cloned(),
        })
    };
    let [request, interim, response] = all_operations(exchange);
    match side {
        Side::Server => (sums(&[interim, response], true), sums(&[request], false)),
        Side::Client => (sums(&[request], true), sums(&[interim, response], false)),
    }
}

/// Sum over all operations; the last one of a long list stands for the rest.
fn layers_of(parts: &[&Operations]) -> Layers {
    let mut sum: Option<Layers> = None;
    for part in parts {
        for operation in &part.list {
            match &mut sum {
                None if operation.layers.is_empty() => return Layers::default(),
                None => sum = Some(operation.layers.clone()),
                Some(sum) => sum.add(&operation.layers),
            }
        }
    }
    sum.unwrap_or_default()
}

fn dropped(drop: &DroppedPackets) -> Dropped {
    Dropped { reason: Arc::clone(&drop.reason), location: Arc::clone(&drop.location), count: drop.count }
}

fn kind_of(exchange: &Exchange, request: Option<&Head>, response: Option<&Head>) -> Kind {
    let is_upgraded = exchange.is_upgraded;
    match (request, response) {
        (Some(head), _) if is_upgraded && head.is_websocket() => Kind::Websocket,
        (_, Some(head)) if is_upgraded && head.is_websocket() => Kind::Websocket,
        (Some(head), _) if head.is_connect() => Kind::Tunnel,
        (Some(head), _) | (None, Some(head)) if head.is_grpc() => Kind::Grpc,
        // A content type in a part of the HPACK table that is not known; nothing else has such a status.
        _ if has_grpc_status(exchange) => Kind::Grpc,
        (_, Some(head)) if head.is_event_stream() => Kind::Sse,
        _ => Kind::Http,
    }
}

fn has_grpc_status(exchange: &Exchange) -> bool {
    let done = exchange.response.as_ref().and_then(|half| half.done.as_ref());
    done.is_some_and(|done| done.grpc_status.is_some())
}

fn message(half: Option<&Half>, head: Option<&Head>, tunnel_bytes: u64, exchange: &Exchange) -> Message {
    let Some(half) = half else {
        return Message::default();
    };
    let mut message = match &half.done {
        Some(done) => Message {
            bytes: Some(done.bytes),
            head_bytes: Some(done.head_bytes),
            body_bytes: done.body_bytes,
            headers: Vec::new(),
            trailers: done.trailers.clone(),
        },
        // Under way: only what has passed so far is certain.
        None => Message {
            bytes: (half.operations.bytes > 0).then_some(half.operations.bytes),
            head_bytes: head.map(Head::head_bytes),
            ..Message::default()
        },
    };
    if exchange.is_upgraded && half.done.is_some() {
        message.bytes = message.bytes.map(|bytes| bytes + tunnel_bytes);
        message.body_bytes = message.body_bytes.map(|bytes| bytes + tunnel_bytes);
    }
    message
}

fn flags_of(
    exchange: &Exchange,
    request: Option<&Head>,
    response: Option<&Head>,
    connection: &Connection,
    is_unfinished: bool,
) -> Flags {
    let mut flags = Flags::default();
    let halves = || [&exchange.request, &exchange.response].into_iter().flatten();
    let dones = || halves().filter_map(|half| half.done.as_ref());
    let is_cut = |done: &Done| !done.complete && !done.gap;
    let mut set = |flag: Flag, condition: bool| {
        if condition {
            flags.set(flag);
        }
    };
    let is_half_open = !is_unfinished && !exchange.is_upgraded && halves().any(|half| half.done.is_none());
    // A reset says itself that something was cut.
    let is_cut_short = !exchange.is_reset && (is_half_open || dones().any(is_cut));
    let is_too_long =
        dones().any(|done| done.truncated) || [request, response].into_iter().flatten().any(Head::is_truncated);
    set(Flag::Truncated, is_cut_short || is_too_long);
    set(Flag::Gap, exchange.has_gap || exchange.is_late || dones().any(|done| done.gap));
    set(
        Flag::HpackPartial,
        dones().any(|done| done.hpack_partial) || [request, response].into_iter().flatten().any(Head::is_hpack_partial),
    );
    set(Flag::PreExisting, connection.is_pre_existing);
    set(Flag::TlsUnbound, connection.is_unbound);
    set(Flag::Reset, exchange.is_reset);
    set(Flag::NoResponse, exchange.response.is_none() && !is_unfinished);
    set(Flag::NoRequest, exchange.request.is_none());
    set(Flag::Upgraded, exchange.is_upgraded);
    set(Flag::Unfinished, is_unfinished);
    flags
}

/// Times on the way down from TCP, by position in [`crate::layers::Times`].
const OUT: [&str; 5] = ["tcp_out", "ip_out", "queue_out", "nic_out", "last_nic_out"];
/// Times on the way up to TCP.
const IN: [&str; 3] = ["nic_in", "ip_in", "tcp_in"];

/// The exchange's way, as far as hooks show it.
fn timeline(
    exchange: &Exchange,
    side: Side,
    start_ns: u64,
    end_ns: u64,
    is_unfinished: bool,
) -> Vec<(&'static str, u64)> {
    let mut timeline = Vec::with_capacity(12);
    let (first, first_end, second, second_end) = match side {
        Side::Server => ("read", "read_end", "write", "write_end"),
        Side::Client => ("write", "write_end", "read", "read_end"),
    };
    let mut push = |name: &'static str, time: u64| timeline.push((name, time.saturating_sub(start_ns)));
    let (incoming, outgoing) = match side {
        Side::Server => (&exchange.request, &exchange.response),
        Side::Client => (&exchange.response, &exchange.request),
    };
    // What lies before the message itself was the way of another one.
    for (half, names) in [(incoming, &IN[..]), (outgoing, &OUT[..])] {
        let Some(half) = half else {
            continue;
        };
        let earliest = if names.len() == IN.len() { start_ns } else { half.begin_ns };
        for (name, time) in names.iter().zip(half.operations.times) {
            if time != 0 && time >= earliest {
                push(name, time);
            }
        }
    }
    if let Some(request) = &exchange.request {
        let begin_ns = match side {
            Side::Server => request.begin_ns.max(start_ns),
            Side::Client => start_ns,
        };
        push(first, begin_ns);
        if let Some(done) = &request.done {
            push(first_end, done.end_ns);
        }
    }
    if let Some(response) = &exchange.response {
        push(second, response.begin_ns);
        if response.done.is_some() && !is_unfinished {
            push(second_end, end_ns);
        }
    }
    for (half, name) in [(incoming, "tls_read"), (outgoing, "tls_write")] {
        if let Some(time) = half.as_ref().and_then(|half| half.operations.tls_ns) {
            push(name, time);
        }
    }
    // An early response is written before the request has been read whole.
    timeline.sort_by_key(|(_, offset)| *offset);
    timeline
}

pub fn endpoint(bytes: [u8; 16], port: u16) -> Endpoint {
    Endpoint { address: address(bytes), port, identity: None, via: None }
}

fn trace(trace: http1::Trace) -> Trace {
    Trace {
        format: match trace.format {
            http1::TraceFormat::W3c => TraceFormat::W3c,
            http1::TraceFormat::Sw8 => TraceFormat::Sw8,
            http1::TraceFormat::B3 => TraceFormat::B3,
        },
        trace_id: trace.trace_id,
        span_id: trace.span_id,
        segment_id: trace.segment_id,
        sampled: trace.sampled,
    }
}
