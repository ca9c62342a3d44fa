//! A protocol log and its connection as a record and its row.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use jiff::Timestamp;
use rover_reporters::proto::v3;
use rover_reporters::proto::v3::connection_address::Address;
use rover_reporters::record::RecordId;
use rover_reporters::row::Row;
use serde_json::{json, Map, Value};

use super::{boot_ns, figures, now_ns, StreamState};

/// Method names by number.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT"];

/// The row of an exchange.
pub fn row(
    state: &StreamState,
    connection: &v3::AccessLogConnection,
    logs: &[v3::AccessLogKernelLog],
    http: v3::AccessLogHttpProtocol,
) -> Row {
    let request = http.request.unwrap_or_default();
    let response = http.response.unwrap_or_default();
    let (start_ns, end_ns) = (boot_ns(&http.start_time), boot_ns(&http.end_time));
    let id = next_id(state.wall_ns(start_ns));
    let status = u16::try_from(response.status_code).ok().filter(|status| *status > 0);
    let duration_ns = start_ns.zip(end_ns).filter(|_| status.is_some()).and_then(|(start, end)| end.checked_sub(start));
    let side = side(connection);
    // The protocol knows no minor version.
    let is_http2 = http.version == v3::AccessLogHttpProtocolVersion::Http2 as i32;
    let protocol = if is_http2 { "HTTP/2" } else { "HTTP/1" };
    let method = usize::try_from(request.method).ok().and_then(|number| METHODS.get(number)).copied();
    let (path, query) = split_target(&request.path);
    let host = some(&request.host);
    let (local, remote) = (End::new(&connection.local), End::new(&connection.remote));
    let is_tls = connection.tls_mode == v3::AccessLogConnectionTlsMode::Tls as i32;
    let flags: &[&str] = if status.is_none() { &["no_response"] } else { &[] };
    let record = json!({
        "id": id.to_string(),
        "time": time_text(id.wall_ns),
        "start_ns": start_ns,
        "end_ns": end_ns,
        "duration_ns": duration_ns,
        "first_byte_ns": null,
        "side": side,
        "protocol": protocol,
        "kind": "http",
        "tls": is_tls.then(|| json!({"library": null, "version": null})),
        "method": method,
        "scheme": null,
        "host": host,
        "path": path,
        "query": query,
        "status": status,
        "interim": [],
        "grpc": null,
        "request": message(request.size_of_headers_bytes, request.size_of_body_bytes),
        "response": message(response.size_of_headers_bytes, response.size_of_body_bytes),
        "local": local.json(),
        "remote": remote.json(),
        "connection": {"id": null, "exchange": null, "stream": null, "role": side,
                       "opened_ns": null, "handshake_ns": null, "rtt_ns": null},
        "kernel": figures::kernel(state, logs),
        "timeline": [],
        "trace": request.trace.as_ref().map(trace),
        "flags": flags,
    });
    Row {
        id: id.to_string(),
        time_ns: i64::try_from(id.wall_ns).unwrap_or(i64::MAX),
        duration_ns: duration_ns.and_then(|ns| i64::try_from(ns).ok()),
        first_byte_ns: None,
        side: side.into(),
        protocol: protocol.into(),
        kind: "http".into(),
        service: local.service.map(str::to_owned),
        instance: local.instance.map(str::to_owned),
        peer_service: remote.service.map(str::to_owned),
        method: method.map(str::to_owned),
        host: host.map(str::to_owned),
        path: path.map(str::to_owned),
        status: status.map(i64::from),
        request_bytes: None,
        response_bytes: None,
        flags: flags.join(","),
        record: record.to_string(),
        peer_address: remote.address.map(str::to_owned),
        // The protocol has no streams, and nothing else by which one end would be found by the other.
        same_exchange: 0,
    }
}

/// A proxy serves what it tells.
pub fn side(connection: &v3::AccessLogConnection) -> &'static str {
    if connection.role == v3::DetectPoint::Client as i32 {
        "client"
    } else {
        "server"
    }
}

/// Ids of this server: agents of OAP's protocol give none.
fn next_id(wall_ns: u64) -> RecordId {
    static RUN: OnceLock<u32> = OnceLock::new();
    static SEQUENCE: AtomicU32 = AtomicU32::new(0);
    // The low half of the start's clock differs between runs.
    let run = *RUN.get_or_init(|| (now_ns() / 1000) as u32);
    RecordId { wall_ns, run, sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed) }
}

fn time_text(wall_ns: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or_default();
    format!("{time:.9}")
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Path, and query with its values masked: what the sender's rules for secrets are is not known here.
fn split_target(target: &str) -> (Option<&str>, Option<String>) {
    match target.split_once('?') {
        Some((path, query)) => (some(path), Some(masked(query))),
        None => (some(target), None),
    }
}

fn masked(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) => format!("{name}=*"),
        None => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A head is never empty, so with its size known an absent body is one of zero bytes.
fn message(head_bytes: u64, body_bytes: u64) -> Value {
    let is_counted = head_bytes > 0;
    json!({
        "bytes": null,
        "head_bytes": is_counted.then_some(head_bytes),
        "body_bytes": (is_counted || body_bytes > 0).then_some(body_bytes),
        "headers": {},
        "trailers": {},
    })
}

fn trace(trace: &v3::AccessLogTraceInfo) -> Value {
    let is_sw8 = trace.provider == v3::AccessLogTraceInfoProvider::SkyWalking as i32;
    let mut object = Map::new();
    object.insert("format".to_owned(), if is_sw8 { "sw8" } else { "b3" }.into());
    object.insert("trace_id".to_owned(), trace.trace_id.as_str().into());
    object.insert("span_id".to_owned(), some(&trace.span_id).into());
    if let Some(segment_id) = some(&trace.trace_segment_id) {
        object.insert("segment_id".to_owned(), segment_id.into());
    }
    object.insert("sampled".to_owned(), Value::Null);
    Value::Object(object)
}

/// An end of a connection.
#[derive(Debug, Default)]
pub struct End<'a> {
    address: Option<&'a str>,
    port: Option<i32>,
    service: Option<&'a str>,
    instance: Option<&'a str>,
    container: Option<&'a str>,
    process: Option<&'a str>,
}

impl<'a> End<'a> {
    pub fn new(address: &'a Option<v3::ConnectionAddress>) -> End<'a> {
        match address.as_ref().and_then(|address| address.address.as_ref()) {
            Some(Address::Kubernetes(process)) => End {
                address: None,
                port: Some(process.port),
                service: some(&process.service_name),
                instance: some(&process.pod_name),
                container: some(&process.container_name),
                process: some(&process.process_name),
            },
            Some(Address::Ip(ip)) => End { address: some(&ip.host), port: Some(ip.port), ..End::default() },
            None => End::default(),
        }
    }

    pub fn json(&self) -> Value {
        let mut identity = Map::new();
        let texts = [("service", self.service), ("instance", self.instance), ("process", self.process)];
        for (name, text) in texts {
            if let Some(text) = text {
                identity.insert(name.to_owned(), text.into());
            }
        }
        if let Some(name) = self.container {
            identity.insert("container".to_owned(), json!({"name": name}));
        }
        let identity = if identity.is_empty() { Value::Null } else { Value::Object(identity) };
        json!({"address": self.address, "port": self.port.filter(|port| *port > 0), "identity": identity})
    }
}
