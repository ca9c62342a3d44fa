//! The record as SkyWalking's OAP takes it: one `EBPFAccessLogMessage` per exchange.
//!
//! What the protocol cannot say is left out rather than said wrongly; the decisions, each with what it costs:
//! - An exchange without a response goes without its protocol log: OAP would count status 0 as a success.
//! - A response whose request nobody saw goes without it too: there is neither endpoint nor duration.
//! - A method outside the nine that have a number gets [`UNLISTED`], which OAP shows as `UNRECOGNIZED:/path`; the
//!   absent number would be a GET. System calls outside the list (splice, io_uring) likewise.
//! - An operation whose entry no hook shows starts at its end: OAP subtracts, so a missing time would become the
//!   time since boot. Its count and bytes are right, its duration counts as nothing.
//! - `unfinished` records are not sent, they come again when they are finished and OAP adds up what it gets.
//! - A W3C trace context is left out: the protocol knows Zipkin and SkyWalking.
//! - What a connection does besides exchanges goes as a message of kernel logs alone ([`OapEncoder::encode_activity`]).
//! - OAP drops every message whose two ends have one service name. That is told, not worked around: an invented name
//!   would be worse.

mod activity;
mod address;
mod kernel;

use std::sync::Arc;

pub use activity::EncodedActivity;
use activity::{push_logs, Allowance};
pub use address::UnknownEnd;
use address::{has_name, push_address};
use kernel::{push_kernel_log, push_timestamp};

use crate::record::{Activity, Dropped, Endpoint, Flag, Identity, Protocol, Record, Side, Trace, TraceFormat};
use crate::wire::{push_bytes, push_integer, push_message, push_text};

/// A number that no version of the protocol gives to a method or system call; one byte on the wire.
pub const UNLISTED: u64 = 127;

/// Field of `EBPFAccessLogMessage` that carries the whole record to a backend of rover's own.
const ROVER_RECORD: u32 = 1000;

/// Encodes records into messages of one stream after the other.
#[derive(Debug)]
pub struct OapEncoder {
    unknown_end: UnknownEnd,
    /// The connection that a message without one would be booked on.
    current: Option<Run>,
    allowance: Allowance,
}

/// What makes two messages one run of a connection. Identities are part of it: they may become known late.
#[derive(Debug)]
struct Run {
    connection: u64,
    is_tls: bool,
    local: Option<Arc<Identity>>,
    remote: Option<Arc<Identity>>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Kernel logs and protocol log.
    Whole,
    /// Kernel logs only.
    KernelOnly,
    /// Nothing that the protocol could carry; nothing was appended.
    Nothing,
}

impl OapEncoder {
    pub fn new(unknown_end: UnknownEnd) -> OapEncoder {
        OapEncoder { unknown_end, current: None, allowance: Allowance::new() }
    }

    /// The next message may become the first of a stream, so it carries its connection.
    pub fn start_run(&mut self) {
        self.current = None;
    }

    /// Appends one message, without any framing.
    pub fn encode(&mut self, record: &Record, out: &mut Vec<u8>) -> Encoded {
        let has_http = record.method.is_some() && record.status.is_some();
        if record.flags.has(Flag::Unfinished) || (!has_http && record.operations.is_empty()) {
            return Encoded::Nothing;
        }
        if !self.continues_run(record) {
            let connection = Connection {
                ends: [&record.local, &record.remote],
                role: record.side,
                is_tls: record.tls.is_some(),
                protocol: Some(record.protocol),
            };
            push_message(out, 2, |out| connection.push(out, self.unknown_end));
        }
        let last_write = record.operations.iter().rposition(|operation| operation.is_write);
        let drops = record.kernel_write.as_ref().map_or(&[] as &[Dropped], |sums| &sums.drops);
        for (index, operation) in record.operations.iter().enumerate() {
            let drops = if Some(index) == last_write { drops } else { &[] };
            push_message(out, 3, |out| push_kernel_log(out, operation, drops));
        }
        if !has_http {
            return Encoded::KernelOnly;
        }
        push_message(out, 4, |out| push_message(out, 1, |out| push_http(out, record)));
        Encoded::Whole
    }

    /// Appends one message of kernel logs, without any framing.
    ///
    /// It always tells its connection and nothing inherits it: an exchange behind it is mostly of another protocol, and a
    /// backend of rover's own gets exchanges in another form, so it would not know the connection told with one.
    pub fn encode_activity(&mut self, activity: &Activity, out: &mut Vec<u8>) -> EncodedActivity {
        if !activity.is_told() {
            return EncodedActivity::default();
        }
        self.start_run();
        let connection = Connection {
            ends: [&activity.local, &activity.remote],
            role: activity.connection.role,
            is_tls: activity.is_tls,
            protocol: activity.protocol,
        };
        push_message(out, 2, |out| connection.push(out, self.unknown_end));
        push_logs(out, activity, &mut self.allowance)
    }

    /// Whether the message may inherit the connection of the one before.
    ///
    /// Only where both ends have names: an IP address can fail to resolve, and OAP then books what inherits on the
    /// connection before.
    fn continues_run(&mut self, record: &Record) -> bool {
        let (local, remote) = (&record.local.identity, &record.remote.identity);
        if let Some(run) = &self.current {
            if run.connection == record.connection.id
                && run.is_tls == record.tls.is_some()
                && is_same(&run.local, local)
                && is_same(&run.remote, remote)
            {
                return true;
            }
        }
        let is_safe = self.unknown_end == UnknownEnd::Name || (has_name(&record.local) && has_name(&record.remote));
        self.current = is_safe.then(|| Run {
            connection: record.connection.id,
            is_tls: record.tls.is_some(),
            local: local.clone(),
            remote: remote.clone(),
        });
        false
    }
}

/// What a message tells of its connection.
struct Connection<'a> {
    /// Local, remote.
    ends: [&'a Endpoint; 2],
    role: Side,
    is_tls: bool,
    protocol: Option<Protocol>,
}

impl Connection<'_> {
    /// Appends the fields of an `AccessLogConnection`.
    fn push(&self, out: &mut Vec<u8>, unknown_end: UnknownEnd) {
        let [local, remote] = self.ends;
        push_message(out, 1, |out| push_address(out, local, unknown_end));
        push_message(out, 2, |out| push_address(out, remote, unknown_end));
        push_integer(out, 3, u64::from(self.role == Side::Server));
        push_integer(out, 4, u64::from(self.is_tls));
        let protocol = match self.protocol {
            None => 0,
            Some(Protocol::Http10 | Protocol::Http11) => 1,
            Some(Protocol::Http2) => 2,
        };
        push_integer(out, 5, protocol);
    }
}

/// Appends a message that holds nothing but rover's own field: the record as a JSON object (UTF-8).
pub fn push_rover_record(out: &mut Vec<u8>, json: &[u8]) {
    push_bytes(out, ROVER_RECORD, json);
}

fn is_same(one: &Option<Arc<Identity>>, other: &Option<Arc<Identity>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

fn push_http(out: &mut Vec<u8>, record: &Record) {
    push_message(out, 1, |out| push_timestamp(out, record.start_ns));
    push_message(out, 2, |out| push_timestamp(out, record.end_ns));
    push_integer(out, 3, u64::from(record.protocol == Protocol::Http2));
    push_message(out, 4, |out| {
        push_integer(out, 1, record.method.as_deref().map_or(UNLISTED, method_number));
        // Never with its query, and never empty: OAP makes the endpoint's name of what it gets.
        push_text(out, 2, record.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/"));
        push_integer(out, 3, record.request.head_bytes.unwrap_or_default());
        push_integer(out, 4, record.request.body_bytes.unwrap_or_default());
        if let Some(trace) = &record.trace {
            push_trace(out, trace);
        }
        push_text(out, 6, record.host.as_deref().unwrap_or_default());
    });
    push_message(out, 5, |out| {
        push_integer(out, 1, record.status.map(u64::from).unwrap_or_default());
        push_integer(out, 3, record.response.head_bytes.unwrap_or_default());
        push_integer(out, 4, record.response.body_bytes.unwrap_or_default());
    });
}

/// Methods are case-sensitive (RFC 9110 §9.1): `get` is not GET.
fn method_number(method: &str) -> u64 {
    match method {
        "GET" => 0,
        "POST" => 1,
        "PUT" => 2,
        "DELETE" => 3,
        "HEAD" => 4,
        "PATCH" => 5,
        "OPTIONS" => 6,
        "TRACE" => 7,
        "CONNECT" => 8,
        _ => UNLISTED,
    }
}

fn push_trace(out: &mut Vec<u8>, trace: &Trace) {
    let provider = match trace.format {
        TraceFormat::B3 => 0,
        TraceFormat::Sw8 => 1,
        TraceFormat::W3c => return,
    };
    push_message(out, 5, |out| {
        push_integer(out, 1, provider);
        push_text(out, 2, &trace.trace_id);
        push_text(out, 3, trace.segment_id.as_deref().unwrap_or_default());
        push_text(out, 4, trace.span_id.as_deref().unwrap_or_default());
    });
}

#[cfg(test)]
mod tests;
