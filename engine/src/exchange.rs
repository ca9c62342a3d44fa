//! One exchange while it is put together: its two messages and the operations that carried them.

use std::sync::Arc;

use rover_parsers::{http1, http2};
use rover_reporters::record::{Operation, RecordId, Syscall};

use crate::events;
use crate::layers::{Measured, Times};

/// Operations of one exchange and direction that are listed one by one; the last one then sums up the rest. A body
/// of 4 MiB in pieces of 64 KiB still has each of its operations.
const LISTED_OPERATIONS: usize = 64;

/// What is known of a socket operation apart from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct OperationFacts {
    /// Counts the data events of the engine: tells operations apart.
    pub number: u64,
    pub start_ns: Option<u64>,
    pub end_ns: u64,
    pub syscall: Syscall,
    pub is_write: bool,
    pub tgid: u32,
    pub measured: Measured,
    /// Of the call of a TLS library that gave its plaintext, or took it.
    pub tls_ns: Option<u64>,
}

impl OperationFacts {
    /// The earliest time at which its bytes can have moved: entry of a write, else the exit.
    pub fn begin_ns(&self) -> u64 {
        self.start_ns.filter(|_| self.is_write).unwrap_or(self.end_ns)
    }
}

/// The field's name of a kernel-side number.
pub fn syscall_of(number: u8) -> Syscall {
    match u32::from(number) {
        events::SYS_READ => Syscall::Read,
        events::SYS_READV => Syscall::Readv,
        events::SYS_RECVFROM => Syscall::Recvfrom,
        events::SYS_RECVMSG => Syscall::Recvmsg,
        events::SYS_RECVMMSG => Syscall::Recvmmsg,
        events::SYS_WRITE => Syscall::Write,
        events::SYS_WRITEV => Syscall::Writev,
        events::SYS_SENDTO => Syscall::Sendto,
        events::SYS_SENDMSG => Syscall::Sendmsg,
        events::SYS_SENDMMSG => Syscall::Sendmmsg,
        events::SYS_SENDFILE => Syscall::Sendfile,
        events::SYS_SPLICE => Syscall::Splice,
        events::SYS_IO_URING => Syscall::IoUring,
        _ => Syscall::Other,
    }
}

/// The operations that carried (part of) a message.
#[derive(Debug, Default)]
pub struct Operations {
    pub list: Vec<Operation>,
    /// All of them, also those not listed.
    pub count: u64,
    pub bytes: u64,
    /// Time in the calls; none as soon as one entry is unknown.
    pub syscall_ns: Option<u64>,
    /// Data events for which this message answers in the ledger.
    pub events: u64,
    pub tgid: u32,
    pub begin_ns: u64,
    pub end_ns: u64,
    /// Of the first operation; the last of them is that of the last one.
    pub times: Times,
    pub interface: u32,
    /// Of the first call of a TLS library.
    pub tls_ns: Option<u64>,
    last: u64,
}

impl Operations {
    pub const NONE: Operations = Operations {
        list: Vec::new(),
        count: 0,
        bytes: 0,
        syscall_ns: None,
        events: 0,
        tgid: 0,
        begin_ns: 0,
        end_ns: 0,
        times: [0; 5],
        interface: 0,
        tls_ns: None,
        last: 0,
    };

    /// `bytes` of the message were moved by this operation. `is_first`: no other message has a part of it yet.
    pub fn add(&mut self, facts: &OperationFacts, bytes: u64, is_first: bool) {
        self.bytes += bytes;
        self.end_ns = facts.end_ns;
        self.tls_ns = self.tls_ns.or(facts.tls_ns);
        if self.count > 0 && self.last == facts.number {
            if let Some(last) = self.list.last_mut() {
                last.bytes += bytes;
            }
            return;
        }
        let measured = &facts.measured;
        let took = facts.start_ns.map(|start| facts.end_ns.saturating_sub(start));
        if self.count == 0 {
            self.tgid = facts.tgid;
            self.begin_ns = facts.begin_ns();
            self.syscall_ns = took;
            self.times = measured.times;
            self.interface = measured.interface;
        } else {
            self.syscall_ns = self.syscall_ns.zip(took).map(|(a, b)| a + b);
        }
        let layers = if is_first { measured.layers() } else { measured.spent() };
        self.times[4] = self.times[4].max(measured.times[4]);
        self.count += 1;
        self.last = facts.number;
        self.list_operation(Operation {
            is_write: facts.is_write,
            syscall: facts.syscall,
            start_ns: facts.start_ns,
            end_ns: facts.end_ns,
            bytes,
            layers,
            interface: measured.interface,
        });
    }

    /// Behind the others; the last one of a full list stands for all that follow it.
    fn list_operation(&mut self, operation: Operation) {
        let is_full = self.list.len() >= LISTED_OPERATIONS;
        match self.list.last_mut() {
            Some(last) if is_full => {
                last.end_ns = operation.end_ns;
                last.bytes += operation.bytes;
                last.layers.add(&operation.layers);
            }
            _ => self.list.push(operation),
        }
    }

    /// `later` came after these, on the same direction.
    pub fn append(&mut self, later: Operations) {
        if self.count == 0 {
            let events = self.events;
            *self = later;
            self.events += events;
            return;
        }
        self.syscall_ns = self.syscall_ns.zip(later.syscall_ns).map(|(a, b)| a + b);
        self.tls_ns = self.tls_ns.or(later.tls_ns);
        let is_shared = later.count > 0 && self.last == later_first(&later);
        self.count += later.count - u64::from(is_shared);
        self.bytes += later.bytes;
        self.events += later.events;
        self.end_ns = self.end_ns.max(later.end_ns);
        self.times[4] = self.times[4].max(later.times[4]);
        self.last = later.last;
        for operation in later.list {
            self.list_operation(operation);
        }
    }
}

/// Numbers grow by one, so the first operation's follows from the last one's only where there is one.
fn later_first(later: &Operations) -> u64 {
    if later.count == 1 {
        later.last
    } else {
        u64::MAX
    }
}

/// Packets of a connection that the kernel threw away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedPackets {
    pub is_sent: bool,
    pub reason: Arc<str>,
    pub location: Arc<str>,
    pub count: u64,
}

/// Head of a message, as its parser tells it.
#[derive(Clone, Debug)]
pub enum Head {
    Http1(Box<http1::Head>),
    Http2(Box<http2::Head>),
}

impl From<Box<http1::Head>> for Head {
    fn from(head: Box<http1::Head>) -> Head {
        Head::Http1(head)
    }
}

impl From<Box<http2::Head>> for Head {
    fn from(head: Box<http2::Head>) -> Head {
        Head::Http2(head)
    }
}

impl Head {
    pub fn maybe_http1(&self) -> Option<&http1::Head> {
        match self {
            Head::Http1(head) => Some(head),
            Head::Http2(_) => None,
        }
    }

    /// When its first byte moved.
    pub fn start_ns(&self) -> u64 {
        match self {
            Head::Http1(head) => head.start_ns,
            Head::Http2(head) => head.start_ns,
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Head::Http1(head) => head.status,
            Head::Http2(head) => head.status,
        }
    }

    pub fn head_bytes(&self) -> u64 {
        match self {
            Head::Http1(head) => head.head_bytes,
            Head::Http2(head) => head.head_bytes,
        }
    }

    pub fn is_truncated(&self) -> bool {
        match self {
            Head::Http1(head) => head.truncated,
            Head::Http2(head) => head.truncated,
        }
    }

    /// Fields stood in a part of the HPACK table that is not known.
    pub fn is_hpack_partial(&self) -> bool {
        matches!(self, Head::Http2(head) if head.hpack_partial)
    }

    pub fn is_connect(&self) -> bool {
        let method = match self {
            Head::Http1(head) => head.method.as_deref(),
            Head::Http2(head) => head.method.as_deref(),
        };
        method == Some("CONNECT")
    }

    /// Asks for a WebSocket, or grants it.
    pub fn is_websocket(&self) -> bool {
        match self {
            Head::Http1(head) => head.websocket,
            Head::Http2(head) => head.protocol.as_deref() == Some("websocket"),
        }
    }

    pub fn is_event_stream(&self) -> bool {
        match self {
            Head::Http1(head) => head.event_stream,
            Head::Http2(head) => head.is_event_stream(),
        }
    }

    /// By its content type.
    pub fn is_grpc(&self) -> bool {
        match self {
            Head::Http1(head) => head.content_type.as_deref().is_some_and(|kind| http2::Grpc::maybe(kind).is_some()),
            Head::Http2(head) => head.grpc.is_some(),
        }
    }
}

/// End of a message.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub end_ns: u64,
    /// All of it on the wire.
    pub bytes: u64,
    pub head_bytes: u64,
    /// Content; none if it is not known how much of it was padding.
    pub body_bytes: Option<u64>,
    pub trailers: Vec<(Box<str>, Box<str>)>,
    /// The end was reached as the framing tells.
    pub complete: bool,
    /// Bytes are missing where they would have told something.
    pub gap: bool,
    /// Head or trailers were cut.
    pub truncated: bool,
    /// Fields stood in a part of the HPACK table that is not known.
    pub hpack_partial: bool,
    pub grpc_status: Option<u32>,
    pub grpc_messages: Option<u32>,
}

impl From<http1::Complete> for Done {
    fn from(done: http1::Complete) -> Done {
        Done {
            end_ns: done.end_ns,
            bytes: done.bytes,
            head_bytes: done.head_bytes,
            body_bytes: Some(done.body_bytes),
            trailers: done.trailers,
            complete: done.complete,
            gap: done.gap,
            truncated: done.truncated,
            ..Done::default()
        }
    }
}

impl From<http2::Complete> for Done {
    fn from(done: http2::Complete) -> Done {
        Done {
            end_ns: done.end_ns,
            bytes: done.bytes,
            head_bytes: done.head_bytes,
            body_bytes: done.body_bytes,
            trailers: done.trailers.iter().map(|(name, value)| (boxed(name), boxed(value))).collect(),
            complete: done.complete,
            gap: done.gap,
            truncated: done.truncated,
            hpack_partial: done.hpack_partial,
            grpc_status: done.grpc_status,
            grpc_messages: done.grpc_messages,
        }
    }
}

fn boxed(text: &http2::Text) -> Box<str> {
    Box::from(&**text)
}

/// Request or response.
#[derive(Debug, Default)]
pub struct Half {
    pub head: Option<Head>,
    pub done: Option<Done>,
    pub operations: Operations,
    /// Entry (or else exit) of the operation with the first byte of the head.
    pub begin_ns: u64,
    /// Of the call of a TLS library with that byte: its entry if it wrote, its exit if it read.
    pub tls_ns: Option<u64>,
}

/// A request and what answers it.
#[derive(Debug, Default)]
pub struct Exchange {
    /// 1, 2, … within the connection.
    pub number: u32,
    /// Of HTTP/2.
    pub stream: Option<u32>,
    /// Index of the TLS session that it was under.
    pub session: Option<u8>,
    /// Assigned with the first record, kept for the completing one.
    pub id: Option<RecordId>,
    pub request: Option<Half>,
    pub response: Option<Half>,
    pub interim: Vec<u16>,
    /// Operations of interim responses.
    pub interim_operations: Option<Box<Operations>>,
    /// Bytes of a tunnel: from the client, from the server.
    pub tunnel_bytes: [u64; 2],
    pub is_upgraded: bool,
    pub is_reset: bool,
    /// Its response has been told already, without it.
    pub is_late: bool,
    /// Bytes are missing around it: its partner may be lost.
    pub has_gap: bool,
    /// When it was last reported as unfinished.
    pub unfinished_ns: Option<u64>,
    /// Data events already counted as reported.
    pub reported_events: u64,
    /// Packets that the kernel threw away while it was under way.
    pub drops: Vec<DroppedPackets>,
}

impl Exchange {
    pub fn is_answered(&self) -> bool {
        self.response.is_some() || self.is_late
    }

    pub fn is_complete(&self) -> bool {
        let is_done = |half: &Option<Half>| half.as_ref().is_some_and(|half| half.done.is_some());
        let is_answered = is_done(&self.response) || self.is_late;
        !self.is_upgraded && is_answered && (self.request.is_none() || is_done(&self.request))
    }

    /// When its first byte moved.
    pub fn begin_ns(&self) -> u64 {
        match (&self.request, &self.response) {
            (Some(request), _) => request.begin_ns,
            (None, Some(response)) => response.begin_ns,
            (None, None) => 0,
        }
    }

    /// The time by which it is told whether a response can be its own. Under TLS that of the call: which operation carried
    /// the plaintext may be unknown, but the calls of a process are in the order of its messages.
    pub fn asked_ns(&self) -> u64 {
        self.request.as_ref().and_then(|half| half.tls_ns).unwrap_or_else(|| self.begin_ns())
    }

    /// Data events for which it answers in the ledger.
    pub fn events(&self) -> u64 {
        let half = |half: &Option<Half>| half.as_ref().map_or(0, |half| half.operations.events);
        let interim = self.interim_operations.as_ref().map_or(0, |interim| interim.events);
        half(&self.request) + half(&self.response) + interim
    }

    /// Who did it: the process of the first operation.
    pub fn tgid(&self) -> u32 {
        let mut halves = [&self.request, &self.response].into_iter().flatten();
        halves.find(|half| half.operations.count > 0).map_or(0, |half| half.operations.tgid)
    }
}
