//! The access-log record: one HTTP exchange as seen from one side of its connection.
//!
//! The contract between engine, reporters, store, web UI and tests. A value that was not measured is `None`,
//! never zero and never a guess. Times are nanoseconds, sizes are bytes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Unique per record, sortable by start time once formatted (32 hex digits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// Wall clock of the start, nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// Random per run of the engine, so that two nodes do not collide.
    pub run: u32,
    /// Counts up within the run.
    pub sequence: u32,
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:08x}{:08x}", self.wall_ns, self.run, self.sequence)
    }
}

/// Which side of the connection the observed process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http10,
    Http11,
    Http2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    Grpc,
    Websocket,
    /// CONNECT.
    Tunnel,
    /// `text/event-stream`.
    Sse,
}

/// What the record must tell about its own completeness. Bits of [`Flags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Flag {
    Truncated = 1,
    Gap = 1 << 1,
    HpackPartial = 1 << 2,
    PeerInferred = 1 << 3,
    PreExisting = 1 << 4,
    TlsUnbound = 1 << 5,
    Reset = 1 << 6,
    NoResponse = 1 << 7,
    NoRequest = 1 << 8,
    Upgraded = 1 << 9,
    Unfinished = 1 << 10,
    /// The governor had given something up: what is missing may have been there.
    Reduced = 1 << 11,
}

impl Flag {
    /// Every flag with its name, in the order in which they are printed.
    pub const ALL: [(Flag, &'static str); 12] = [
        (Flag::Truncated, "truncated"),
        (Flag::Gap, "gap"),
        (Flag::HpackPartial, "hpack_partial"),
        (Flag::PeerInferred, "peer_inferred"),
        (Flag::PreExisting, "pre_existing"),
        (Flag::TlsUnbound, "tls_unbound"),
        (Flag::Reset, "reset"),
        (Flag::NoResponse, "no_response"),
        (Flag::NoRequest, "no_request"),
        (Flag::Upgraded, "upgraded"),
        (Flag::Unfinished, "unfinished"),
        (Flag::Reduced, "reduced"),
    ];
}

/// A set of [`Flag`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    pub fn set(&mut self, flag: Flag) {
        self.0 |= flag as u16;
    }

    pub fn clear(&mut self, flag: Flag) {
        self.0 &= !(flag as u16);
    }

    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag as u16 != 0
    }

    /// Names of the flags that are set, in the fixed order of [`Flag::ALL`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flag::ALL.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    pub library: Box<str>,
    /// `TLSv1.3`
    pub version: Option<Box<str>>,
    /// SNI: who the client asked for.
    pub server_name: Option<Box<str>>,
    /// Protocol that the two agreed on.
    pub alpn: Option<Box<str>>,
    /// IANA's name of the cipher suite.
    pub cipher: Option<Box<str>>,
    pub handshake_ns: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grpc {
    pub service: Option<Box<str>>,
    pub method: Option<Box<str>>,
    /// From the trailers, or from a head that is all of the response.
    pub status: Option<u32>,
    /// Messages from the client, and from the server.
    pub request_messages: Option<u32>,
    pub response_messages: Option<u32>,
}

/// Request or response. Sizes as they were on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whole message: start line, head, framing, body.
    pub bytes: Option<u64>,
    pub head_bytes: Option<u64>,
    /// Content after chunked decoding, as transferred otherwise.
    pub body_bytes: Option<u64>,
    /// Only headers that the configuration names; in the order of appearance.
    pub headers: Vec<(Box<str>, Box<str>)>,
    pub trailers: Vec<(Box<str>, Box<str>)>,
}

/// Who is behind an address; only what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// comm
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// IPv4-mapped IPv6 addresses are given as IPv4.
    pub address: IpAddr,
    /// 0: neither it nor the address is known (`tls_unbound`).
    pub port: u16,
    pub identity: Option<Arc<Identity>>,
    /// What the socket has in their place, where the kernel translates: a service's address, or a masquerade's.
    pub via: Option<SocketAddr>,
}

impl Endpoint {
    pub fn is_known(&self) -> bool {
        self.port != 0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Kernel socket cookie.
    pub id: u64,
    /// 1, 2, … within the connection.
    pub exchange: u32,
    /// HTTP/2 stream id.
    pub stream: Option<u32>,
    pub role: Side,
    pub opened_ns: Option<u64>,
    pub handshake_ns: Option<u64>,
    pub rtt_ns: Option<u64>,
    pub tcp: Option<TcpFigures>,
}

/// What TCP itself counted on a connection since it was opened (or since rover saw it), as of this exchange's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFigures {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub retransmits: Option<u64>,
    pub out_of_order: Option<u64>,
    /// Segments of the peer that closed its window.
    pub zero_windows: Option<u64>,
}

/// The system call that carried an operation; the order is the engine's own, encoders map it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syscall {
    Read,
    Readv,
    Recvfrom,
    Recvmsg,
    Recvmmsg,
    Write,
    Writev,
    Sendto,
    Sendmsg,
    Sendmmsg,
    Sendfile,
    Splice,
    IoUring,
    /// Kernel thread or a call that rover does not know.
    Other,
}

impl Syscall {
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Syscall::Write
                | Syscall::Writev
                | Syscall::Sendto
                | Syscall::Sendmsg
                | Syscall::Sendmmsg
                | Syscall::Sendfile
        )
    }
}

/// One socket operation that carried bytes of the exchange: an OAP kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub is_write: bool,
    pub syscall: Syscall,
    /// Entry of the operation; `None` where no hook shows it.
    pub start_ns: Option<u64>,
    pub end_ns: u64,
    pub bytes: u64,
    pub layers: Layers,
    /// Of the first packet, as the network namespace of the socket numbers it; 0: unknown.
    pub interface: u32,
}

/// Sums over the socket operations of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSums {
    pub operations: u64,
    pub bytes: u64,
    pub syscall_ns: Option<u64>,
    pub layers: Layers,
    /// What the kernel throws away was looked for.
    pub has_drops: bool,
    pub drops: Vec<Dropped>,
    /// Name of the interface of the first packet.
    pub interface: Option<Arc<str>>,
}

/// Packets of the exchange that the kernel threw away, with its own names for why and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub reason: Arc<str>,
    /// Function of the kernel.
    pub location: Arc<str>,
    pub count: u64,
}

/// What the layers below the socket took, for one operation or the sum of several; see [`crate::layers`].
pub use crate::layers::Layers;

/// How a connection came to be, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// `connect`, else `accept`.
    pub is_connect: bool,
    pub start_ns: u64,
    pub end_ns: u64,
    pub is_success: bool,
}

impl Opening {
    pub fn is_told(&self) -> bool {
        self.is_connect || self.is_success
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub start_ns: u64,
    pub end_ns: u64,
    /// Ended in order; a reset is none.
    pub is_success: bool,
}

/// TCP's own figures of a connection since it was opened (or since rover saw it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTotals {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_segments: u64,
    pub received_segments: u64,
    pub retransmits: u64,
    pub out_of_order: u64,
    /// Segments of the peer that closed its window.
    pub zero_windows: u64,
}

/// What a connection did besides HTTP exchanges: opened, closed, and, where it carries no HTTP, its operations summed up
/// since the report before. Comes in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    pub local: Endpoint,
    pub remote: Endpoint,
    pub connection: Connection,
    /// `None`: plain TCP.
    pub protocol: Option<Protocol>,
    pub is_tls: bool,
    pub opening: Option<Opening>,
    pub closing: Option<Closing>,
    /// One for each direction that moved bytes.
    pub operations: Vec<OperationSum>,
    pub totals: Option<TcpTotals>,
}

impl Activity {
    /// When it was over.
    pub fn end_ns(&self) -> u64 {
        let operations = self.operations.iter().map(|sum| sum.last.end_ns);
        let opening = self.opening.map(|opening| opening.end_ns);
        operations.chain(opening).chain(self.closing.map(|closing| closing.end_ns)).max().unwrap_or_default()
    }

    /// Whether there is anything to tell: an accept that failed made no connection.
    pub fn is_told(&self) -> bool {
        self.closing.is_some()
            || self.opening.is_some_and(|opening| opening.is_told())
            || self.operations.iter().any(|sum| sum.count > 0)
    }
}

/// Several operations of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSum {
    /// The last of them, with the bytes and layers of all.
    pub last: Operation,
    pub count: u64,
}

impl OperationSum {
    /// `later` came after these, in the same direction.
    pub fn add(&mut self, later: &OperationSum) {
        self.count += later.count;
        self.last.bytes += later.last.bytes;
        self.last.layers.add(&later.last.layers);
        self.last.syscall = later.last.syscall;
        self.last.start_ns = later.last.start_ns;
        self.last.end_ns = later.last.end_ns;
        self.last.interface = later.last.interface;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    W3c,
    Sw8,
    B3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub format: TraceFormat,
    pub trace_id: Box<str>,
    pub span_id: Option<Box<str>>,
    /// sw8 only: the parent trace segment.
    pub segment_id: Option<Box<str>>,
    pub sampled: Option<bool>,
}

/// One exchange. `end_ns` is the last activity where there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: RecordId,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub start_ns: u64,
    pub end_ns: u64,
    pub duration_ns: Option<u64>,
    pub first_byte_ns: Option<u64>,
    pub side: Side,
    pub protocol: Protocol,
    pub kind: Kind,
    pub tls: Option<Tls>,
    pub method: Option<Box<str>>,
    pub scheme: Option<Box<str>>,
    pub host: Option<Box<str>>,
    pub path: Option<Box<str>>,
    /// Already masked or dropped by the engine as configured.
    pub query: Option<Box<str>>,
    pub status: Option<u16>,
    pub interim: Vec<u16>,
    pub grpc: Option<Grpc>,
    pub request: Message,
    pub response: Message,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub connection: Connection,
    pub kernel_write: Option<KernelSums>,
    pub kernel_read: Option<KernelSums>,
    /// `(name, offset from start_ns)`, ascending.
    pub timeline: Vec<(&'static str, u64)>,
    pub trace: Option<Trace>,
    pub flags: Flags,
    /// The operations behind the sums, bounded by the engine; not part of the JSON form.
    pub operations: Vec<Operation>,
}
