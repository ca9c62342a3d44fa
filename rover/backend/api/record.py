"""The shape of a record, for the OpenAPI page and the tests: records are stored and answered as the text they came as.

Fields that a record may leave out are UNSET here; the others are always there, null where nothing was measured.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


class Tls(Struct, frozen=True):
    """The encryption of a connection, as far as its handshake was seen."""

    library: Annotated[
        str | None,
        Meta(description="`openssl`, `boringssl`, `gnutls`, `nss`, `go`, `rustls`; null: another agent saw it"),
    ]
    version: Annotated[str | None, Meta(description="`TLSv1.3`")]
    server_name: Annotated[str | UnsetType | None, Meta(description="Whom the client asked for (SNI)")] = UNSET
    alpn: Annotated[str | UnsetType | None, Meta(description="Protocol that was agreed on; TLS 1.3 hides it")] = UNSET
    cipher: Annotated[str | UnsetType | None, Meta(description="Cipher suite, as IANA names it")] = UNSET
    handshake_ns: int | UnsetType | None = UNSET


class Grpc(Struct, frozen=True):
    """What a gRPC call named, how it ended, and how many messages went each way; null: not seen."""

    service: str | None
    method: str | None
    status: int | None
    request_messages: int | UnsetType | None = UNSET
    response_messages: int | UnsetType | None = UNSET


class Message(Struct, frozen=True):
    """Request or response; sizes in bytes as on the wire."""

    bytes: Annotated[int | None, Meta(description="Whole message: start line, head, framing, body")]
    head_bytes: int | None
    body_bytes: Annotated[int | None, Meta(description="Content after chunked decoding, as transferred otherwise")]
    headers: Annotated[dict[str, str] | UnsetType, Meta(description="Those that are configured to be kept")] = UNSET
    trailers: dict[str, str] | UnsetType = UNSET


class Container(Struct, frozen=True):
    """A container."""

    id: str
    name: str | UnsetType = UNSET
    runtime: str | UnsetType = UNSET
    image: str | UnsetType = UNSET


class Kubernetes(Struct, frozen=True):
    """A pod."""

    namespace: str | UnsetType = UNSET
    pod: str | UnsetType = UNSET
    node: str | UnsetType = UNSET
    workload: str | UnsetType = UNSET
    workload_kind: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET


class Identity(Struct, frozen=True):
    """Who is behind an address; only what is known."""

    service: str | UnsetType = UNSET
    instance: str | UnsetType = UNSET
    process: str | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    executable: str | UnsetType = UNSET
    container: Container | UnsetType = UNSET
    kubernetes: Kubernetes | UnsetType = UNSET
    unit: str | UnsetType = UNSET


class Via(Struct, frozen=True):
    """What the socket itself has for its peer, where the kernel translates addresses."""

    address: str
    port: int


class Peer(Struct, frozen=True):
    """One end of the connection; address and port are null where TLS was not tied to any connection."""

    address: str | None
    port: int | None
    identity: Identity | None
    via: Annotated[
        Via | UnsetType,
        Meta(description="A service's address, or a masquerade's; `address` and `port` are the real ones then"),
    ] = UNSET


class TcpFigures(Struct, frozen=True):
    """What TCP counted on the connection since it was opened, or since rover saw it."""

    sent_bytes: int
    received_bytes: int
    retransmits: int | None
    out_of_order: int | None
    zero_windows: Annotated[int | None, Meta(description="Segments of the peer that closed its window")]


class Connection(Struct, frozen=True):
    """The connection that carried the exchange."""

    id: Annotated[str, Meta(description="16 hexadecimal digits")]
    exchange: Annotated[int, Meta(description="1, 2, … within the connection")]
    stream: Annotated[int | None, Meta(description="HTTP/2 stream")]
    role: Literal["server", "client"]
    opened_ns: int | None
    handshake_ns: int | None
    rtt_ns: int | None
    tcp: TcpFigures | UnsetType = UNSET


class Drop(Struct, frozen=True):
    """Packets that the kernel dropped."""

    reason: str
    location: str
    count: int


class KernelWrite(Struct, frozen=True):
    """Sums over the sending socket operations; what no hook feeds is absent."""

    operations: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    syscall_ns: int | UnsetType = UNSET
    packets: int | UnsetType = UNSET
    packet_bytes: int | UnsetType = UNSET
    retransmits: int | UnsetType = UNSET
    drops: list[Drop] | UnsetType = UNSET
    l4_ns: int | UnsetType = UNSET
    l3_ns: int | UnsetType = UNSET
    l3_local_ns: int | UnsetType = UNSET
    l3_output_ns: int | UnsetType = UNSET
    l2_ns: int | UnsetType = UNSET
    l2_ready_ns: int | UnsetType = UNSET
    l2_send_ns: int | UnsetType = UNSET
    queue_entries: int | UnsetType = UNSET
    netfilter_count: int | UnsetType = UNSET
    netfilter_ns: int | UnsetType = UNSET
    resolve_count: int | UnsetType = UNSET
    resolve_ns: int | UnsetType = UNSET
    interface: str | UnsetType = UNSET


class KernelRead(Struct, frozen=True):
    """Sums over the receiving socket operations; what no hook feeds is absent."""

    operations: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    syscall_ns: int | UnsetType = UNSET
    packets: int | UnsetType = UNSET
    packet_bytes: int | UnsetType = UNSET
    l2_to_queue_ns: int | UnsetType = UNSET
    queue_wait_ns: int | UnsetType = UNSET
    l3_ns: int | UnsetType = UNSET
    l3_receive_ns: int | UnsetType = UNSET
    l3_local_ns: int | UnsetType = UNSET
    l4_ns: int | UnsetType = UNSET
    netfilter_count: int | UnsetType = UNSET
    netfilter_ns: int | UnsetType = UNSET
    interface: str | UnsetType = UNSET


class Kernel(Struct, frozen=True):
    """Where in the kernel the time went."""

    write: KernelWrite | UnsetType = UNSET
    read: KernelRead | UnsetType = UNSET


class Trace(Struct, frozen=True):
    """Trace context read from the request's headers."""

    format: Literal["w3c", "sw8", "b3"]
    trace_id: str
    span_id: str | None
    sampled: bool | None
    segment_id: str | UnsetType = UNSET


class Record(Struct, frozen=True):
    """One HTTP exchange as one side of its connection saw it. Times in nanoseconds, sizes in bytes; null: not
    measured."""

    id: Annotated[str, Meta(description="Unique, sorts by time; 32 hexadecimal digits")]
    time: Annotated[str, Meta(description="RFC 3339 with nanoseconds, UTC: wall clock of the start")]
    start_ns: Annotated[int, Meta(description="Since boot")]
    end_ns: int
    duration_ns: Annotated[int | None, Meta(description="null without a response")]
    first_byte_ns: Annotated[int | None, Meta(description="Start to first byte of the final response")]
    side: Annotated[
        Literal["server", "client"], Meta(description="Which side of the connection the observed process is")
    ]
    protocol: Annotated[str, Meta(description="`HTTP/1.0`, `HTTP/1.1`, `HTTP/2`")]
    kind: Annotated[str, Meta(description="`http`, `grpc`, `websocket`, `tunnel`, `sse`")]
    tls: Tls | None
    method: Annotated[str | None, Meta(description="As sent")]
    scheme: str | None
    host: str | None
    path: Annotated[str | None, Meta(description="Without query, as sent")]
    query: Annotated[str | None, Meta(description="Values masked unless configured otherwise")]
    status: int | None
    interim: Annotated[list[int], Meta(description="1xx statuses seen before the final one")]
    grpc: Grpc | None
    request: Message
    response: Message
    local: Annotated[Peer, Meta(description="The end of the observed process")]
    remote: Peer
    connection: Connection
    timeline: Annotated[list[tuple[str, int]], Meta(description="Name and offset from start, ascending")]
    trace: Trace | None
    flags: Annotated[
        list[str], Meta(description="What is not as it should be: `truncated`, `gap`, `reset`, `unfinished`, …")
    ]
    kernel: Kernel | UnsetType = UNSET
