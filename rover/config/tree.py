"""The configuration: one typed tree, and the table of every key with its default, unit and help.

A key is a field below; the reference page, the annotated file and the checks are made from these fields, so there is
nowhere else to look. Adding a key is adding a field. Values are read by `rover.config.load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rover.config import kinds
from rover.config.kinds import Kind
from rover.config.rules import Rule


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the table: a key's full name, what it can be, its default, its unit and what it is for."""

    name: str
    kind: Kind
    default: Any
    unit: str
    help: str
    is_live: bool
    """Whether a running daemon takes another value over on SIGHUP; the others need a restart."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "ROVER_" + self.name.upper().replace(".", "_")


def _key(default: Any, kind: Kind, help_text: str, *, unit: str = "", is_live: bool = False) -> Any:
    return field(default=default, metadata={"kind": kind, "unit": unit, "help": help_text, "is_live": is_live})


def _section(section: type) -> Any:
    return field(default_factory=section)


SERVICE_TEMPLATES = (
    "{service}.{namespace}",
    "{workload}.{namespace}",
    "{pod}.{namespace}",
    "{label:com.docker.compose.service}",
    "{container}",
    "{unit}",
    "{executable}",
)
"""Pod by service, else by workload; else container; else systemd service; else executable."""

RUNTIME_SOCKETS = tuple(
    Path(path)
    for path in (
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/k3s/containerd/containerd.sock",
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
    )
)

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Capture:
    """What is taken from the traffic."""

    payload_bytes: int = _key(
        131071,
        kinds.with_bounds(kinds.SIZE, 256, 131071),
        "The most that is copied of one socket operation. What is beyond it shows as a gap, unless it is a body of "
        "known length.",
        unit="bytes",
    )
    head_bytes: int = _key(
        64 * _KIB,
        kinds.with_bounds(kinds.SIZE, 256, 16 * _MIB),
        "The most that is read of a message's start line and headers; a longer head flags the record `truncated`.",
        unit="bytes",
        is_live=True,
    )
    query: str = _key(
        "mask",
        kinds.choice("keep", "mask", "drop"),
        "The query part of a path: kept as sent, kept with every value replaced by `*`, or dropped.",
        is_live=True,
    )
    headers: tuple[str, ...] = _key(
        (),
        kinds.HEADERS,
        "Names of headers and trailers that records keep. Secrets (`authorization`, `cookie`, …) are masked even then.",
        is_live=True,
    )
    unfinished_seconds: float = _key(
        60,
        kinds.with_bounds(kinds.NUMBER, 1, 86400),
        "An exchange that takes longer is reported as `unfinished`, and once more under the same id when it ends.",
        unit="seconds",
        is_live=True,
    )
    layers: str = _key(
        "all",
        kinds.choice("none", "l4", "all"),
        "What is measured below the socket: nothing, TCP's own figures, or the way of every packet through TCP, IP, "
        "netfilter, queue and device. What each level costs is in docs/layers.md.",
    )


@dataclass(frozen=True, slots=True)
class Tls:
    """Exchanges inside TLS, by probes in the libraries that encrypt them."""

    enabled: bool = _key(
        True,
        kinds.BOOLEAN,
        "Whether TLS libraries are probed. Without it what is encrypted is counted as `not_http`.",
    )
    skip: tuple[str, ...] = _key(
        (),
        kinds.NAMES,
        "Libraries and executables that are left alone: globs of paths as the processes see them, like "
        "`/opt/*/libssl.so*`. `rover doctor` lists what is probed and at what price.",
    )


@dataclass(frozen=True, slots=True)
class Kernel:
    """How rover hooks into the kernel."""

    attach: str = _key(
        "auto",
        kinds.choice("auto", "fentry", "kprobe", "tracepoint"),
        "How hooks are attached; `auto` takes for each the cheapest way that this kernel allows: tracepoint, fentry, "
        "kprobe. Another word forces that way wherever a hook can be had by it. `rover doctor` shows the outcome.",
    )
    avoid: tuple[str, ...] = _key(
        (),
        kinds.NAMES,
        "Functions and tracepoints of the kernel that are left alone. Each costs the figures that doctor names.",
    )
    ring_bytes: int = _key(
        16 * _MIB,
        kinds.with_bounds(kinds.SIZE, 256 * _KIB, _GIB),
        "Size of the ring buffer between kernel and engine, rounded up to a power of two. A full one loses events, "
        "counted as `ring_full`.",
        unit="bytes",
    )
    connections: int = _key(
        65536,
        kinds.with_bounds(kinds.INTEGER, 64, 4_000_000),
        "The most connections that are followed at a time; beyond it the one idle for longest is let go, counted.",
        unit="connections",
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """Which processes are watched: of `exclude`, the rules file, `include`, in this order, the first match decides."""

    include: tuple[Rule, ...] = _key(
        (),
        kinds.RULES,
        "Only processes that match one of these rules are watched; empty means all. A rule states one or more of `exe` "
        "(glob of the path, or of the name if it has no slash), `cmdline` (glob), `pid`, `port` (one it listens on), "
        "`user`, `unit`, `container`, `image`, `container_label`, `namespace`, `workload`, `pod`, `pod_label`, "
        "`pod_annotation`; all that it states must hold.",
        is_live=True,
    )
    exclude: tuple[Rule, ...] = _key(
        (),
        kinds.RULES,
        "Processes that match one of these rules are never watched, whatever `include` says.",
        is_live=True,
    )
    rules_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File of rules that include, exclude and name processes; the first that matches decides, after `exclude` and "
        "before `include`. A changed file is taken over at once, a broken one is logged and changes nothing. "
        "docs/identity.md explains it.",
        is_live=True,
    )
    port_wait_seconds: float = _key(
        5,
        kinds.with_bounds(kinds.NUMBER, 0, 8),
        "For rules with `port`: how long data of a new process is held until it listens somewhere. Afterwards it "
        "counts as not listening, until it does.",
        unit="seconds",
    )
    held_records: int = _key(
        20_000,
        kinds.with_bounds(kinds.INTEGER, 0, 1_000_000),
        "The most exchanges that are held for processes not yet decided on; beyond it the next ones are lost, counted "
        "as `unconfirmed`. As many more may wait for the name of their other end; beyond it they are told without.",
        unit="records",
    )
    ports: tuple[int, ...] = _key(
        (),
        kinds.PORTS,
        "Only connections with one of these ports at either end; empty means all.",
        is_live=True,
    )
    side: str | None = _key(
        None,
        kinds.optional(kinds.choice("server", "client")),
        "Only records of this side of a connection; not set means both.",
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is."""

    service: tuple[str, ...] = _key(
        SERVICE_TEMPLATES,
        kinds.TEMPLATES,
        "Templates of a service's name, of which the first that can be filled in counts. Words: `{service}`, "
        "`{workload}`, `{namespace}`, `{pod}`, `{node}` of Kubernetes, `{container}`, `{image}`, `{unit}`, "
        "`{executable}`, `{label:KEY}`, `{annotation:KEY}`.",
    )
    wait_seconds: float = _key(
        2,
        kinds.with_bounds(kinds.NUMBER, 0, 8),
        "How long records of a new container wait for its names; then they are reported with what is known.",
        unit="seconds",
    )


@dataclass(frozen=True, slots=True)
class Containers:
    """Container runtimes, which know names, images and labels."""

    sockets: tuple[Path, ...] = _key(
        RUNTIME_SOCKETS,
        kinds.PATHS,
        "Sockets of runtimes to ask: docker and podman over HTTP, containerd and CRI-O over gRPC; those that are not "
        "there are left out. Empty: the cgroup alone tells which container a process is in.",
    )


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """The Kubernetes API, which knows pods, services and who is behind an address."""

    enabled: str = _key(
        "auto",
        kinds.choice("auto", "on", "off"),
        "Whether it is asked; `auto`: if there is a `kubeconfig` here or rover itself runs in a pod.",
    )
    kubeconfig: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "How to reach it; not set means as the service account of the pod that rover runs in.",
    )


@dataclass(frozen=True, slots=True)
class OapTls:
    """TLS to the backend. The files are in PEM form, read anew for each connection."""

    enabled: bool = _key(
        False, kinds.BOOLEAN, "Whether reports go over TLS; so they do as well when another key of this section is set."
    )
    ca_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "Certificates of the authorities that the backend's certificate has to come from; not set means those that "
        "this system trusts.",
    )
    cert_file: Path | None = _key(
        None, kinds.optional(kinds.PATH), "Certificate that is shown to a backend that asks for one (mTLS)."
    )
    key_file: Path | None = _key(None, kinds.optional(kinds.PATH), "Private key of that certificate.")
    server_name: str | None = _key(
        None,
        kinds.optional(kinds.TEXT),
        "Name that the backend's certificate has to be for; not set means the host of its address.",
    )


@dataclass(frozen=True, slots=True)
class OapSpool:
    """Where reports of `rover daemon` wait on disk while the backend is away or too slow. docs/oap.md explains it."""

    path: Path | None = _key(
        Path("/var/lib/rover/spool"),
        kinds.optional(kinds.PATH),
        "Folder of its own, made if missing; `null` means that they wait in memory only.",
    )
    bytes: int = _key(
        _GIB,
        kinds.with_bounds(kinds.SIZE, _MIB, 1 << 50),
        "The most that is kept there; above it the oldest goes, counted as `spool_full`.",
        unit="bytes",
    )
    hours: float = _key(
        24,
        kinds.with_bounds(kinds.NUMBER, 0.01, 87600),
        "What is older is not sent any more, counted as `spool_expired`.",
        unit="hours",
    )


@dataclass(frozen=True, slots=True)
class OapReporter:
    """Access logs to a SkyWalking OAP, or to rover's own backend."""

    addresses: tuple[str, ...] = _key(
        ("127.0.0.1:11800",),
        kinds.ADDRESSES,
        "Where `rover daemon` reports to: the first that answers. Empty means nowhere.",
    )
    token_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File whose first line is sent as the authentication token; a changed file counts from the next call.",
    )
    connection_seconds: float = _key(
        600,
        kinds.with_bounds(kinds.NUMBER, 1, 86400),
        "After this time a connection is opened anew, so that a load balancer can choose again.",
        unit="seconds",
    )
    tls: OapTls = _section(OapTls)
    spool: OapSpool = _section(OapSpool)


@dataclass(frozen=True, slots=True)
class FileReporter:
    """Records as lines of a file."""

    path: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File to which `rover daemon` and `rover up` append records; not set means none. SIGUSR1 opens it anew, as "
        "logrotate expects after a rename.",
    )
    format: str = _key("json", kinds.choice("json", "text", "combined"), "Format of these lines.")
    rotate_bytes: int = _key(
        0,
        kinds.with_bounds(kinds.SIZE, 0, 1 << 50),
        "The file is renamed to `path.1`, that to `path.2`, and so on, before it would become larger; 0 means never.",
        unit="bytes",
    )
    rotate_hours: float = _key(
        0, kinds.with_bounds(kinds.NUMBER, 0, 87600), "The same at this age of the file; 0 means never.", unit="hours"
    )
    keep: int = _key(
        5, kinds.with_bounds(kinds.INTEGER, 0, 10_000), "How many of these are kept; the oldest is removed."
    )


@dataclass(frozen=True, slots=True)
class OtlpTls:
    """TLS to the collector, for endpoints with `https`. The files are in PEM form, read anew for each connection."""

    ca_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "Certificates of the authorities that the collector's certificate has to come from; not set means those that "
        "this system trusts.",
    )
    cert_file: Path | None = _key(
        None, kinds.optional(kinds.PATH), "Certificate that is shown to a collector that asks for one (mTLS)."
    )
    key_file: Path | None = _key(None, kinds.optional(kinds.PATH), "Private key of that certificate.")
    server_name: str | None = _key(
        None,
        kinds.optional(kinds.TEXT),
        "Name that the collector's certificate has to be for; not set means the host of its endpoint.",
    )


@dataclass(frozen=True, slots=True)
class OtlpReporter:
    """Spans and metrics to an OpenTelemetry collector. docs/otlp.md explains them."""

    endpoints: tuple[str, ...] = _key(
        (),
        kinds.URLS,
        "Where `rover daemon` and `rover up` send them, as `http://HOST:PORT`, or `https` for TLS: the first that "
        "answers. A path goes before `/v1/traces` of HTTP. Empty means nowhere.",
    )
    protocol: str = _key("grpc", kinds.choice("grpc", "http"), "gRPC, or protobuf over HTTP/1.1.")
    headers_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File with a `name: value` on each line, sent with every request: a token, for instance.",
    )
    traces: bool = _key(True, kinds.BOOLEAN, "Whether each exchange is sent as a span.")
    metrics: bool = _key(True, kinds.BOOLEAN, "Whether `http.server.request.duration` and the client's are sent.")
    compression: str = _key("none", kinds.choice("none", "gzip"), "Of requests: a tenth of the bytes, for more CPU.")
    queue_bytes: int = _key(
        32 * _MIB,
        kinds.with_bounds(kinds.SIZE, _MIB, 1 << 40),
        "The most that waits in memory; above it the oldest spans go, counted as `report_queue_full`.",
        unit="bytes",
    )
    batch_bytes: int = _key(
        _MIB,
        kinds.with_bounds(kinds.SIZE, 1024, 1 << 30),
        "Spans are sent when there are so many; collectors take 4 MiB unless told otherwise.",
        unit="bytes",
    )
    batch_seconds: float = _key(
        1, kinds.with_bounds(kinds.NUMBER, 0.01, 3600), "The longest that a span waits for others.", unit="seconds"
    )
    metrics_seconds: float = _key(
        30, kinds.with_bounds(kinds.NUMBER, 0.1, 86400), "How often metrics are sent.", unit="seconds"
    )
    connection_seconds: float = _key(
        600,
        kinds.with_bounds(kinds.NUMBER, 1, 86400),
        "After this time a connection is opened anew, so that a load balancer can choose again.",
        unit="seconds",
    )
    tls: OtlpTls = _section(OtlpTls)


@dataclass(frozen=True, slots=True)
class Reporters:
    """Where records go."""

    oap: OapReporter = _section(OapReporter)
    otlp: OtlpReporter = _section(OtlpReporter)
    file: FileReporter = _section(FileReporter)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS of this listener: with both files set it speaks nothing else. PEM form, read at start."""

    cert_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "The certificate that is shown, and after it those that lead to its authority.",
    )
    key_file: Path | None = _key(None, kinds.optional(kinds.PATH), "Private key of that certificate.")


@dataclass(frozen=True, slots=True)
class BackendGrpc:
    """The backend's gRPC services."""

    address: str = _key("127.0.0.1:11800", kinds.ADDRESS, "Where the backend takes reports.")
    token_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File whose first line daemons must send as their token; required beyond loopback. A changed file counts from "
        "the next call.",
    )
    connections_per_second: float = _key(
        50,
        kinds.with_bounds(kinds.NUMBER, 0, 1_000_000),
        "How many connections one address (of IPv6 one /64) may open in the long run, ten times as many at once; more "
        "are closed. 0: no limit. Raise it where many daemons come through one gateway.",
        unit="connections/s",
    )
    calls_per_second: float = _key(
        500,
        kinds.with_bounds(kinds.NUMBER, 0, 1_000_000),
        "How many calls one address may begin in the long run, ten times as many at once; more are refused with "
        "RESOURCE_EXHAUSTED. A daemon's stream of records is one call. 0: no limit.",
        unit="calls/s",
    )
    tls: ServerTls = _section(ServerTls)


@dataclass(frozen=True, slots=True)
class BackendHttp:
    """The backend's web page and JSON API."""

    address: str = _key("127.0.0.1:8080", kinds.ADDRESS, "Where the web page and the API are served.")
    token_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File whose first line is the bearer token of the API; required beyond loopback.",
    )
    tls: ServerTls = _section(ServerTls)


@dataclass(frozen=True, slots=True)
class BackendStore:
    """The backend's database."""

    path: Path = _key(Path("/var/lib/rover/rover.db"), kinds.PATH, "The SQLite file. Its folder is made if missing.")
    retention_hours: float = _key(
        24, kinds.with_bounds(kinds.NUMBER, 0.01, 87600), "Older records are removed.", unit="hours"
    )
    retention_bytes: int = _key(
        _GIB,
        kinds.with_bounds(kinds.SIZE, _MIB, 1 << 50),
        "Above this size the oldest records are removed.",
        unit="bytes",
    )
    exchanges_per_second: float = _key(
        0,
        kinds.with_bounds(kinds.NUMBER, 0, 10_000_000),
        "Of more than so many only a sample is stored, with all that failed or were slow and those of rare endpoints; "
        "metrics are of all. 0: all are stored. docs/metrics.md explains it.",
        unit="exchanges/s",
    )


@dataclass(frozen=True, slots=True)
class BackendMetrics:
    """How long the backend keeps metrics. Those by the minute go with the records."""

    hours_days: float = _key(
        30, kinds.with_bounds(kinds.NUMBER, 1, 3660), "Older metrics by the hour are removed.", unit="days"
    )
    days_days: float = _key(
        400, kinds.with_bounds(kinds.NUMBER, 1, 36600), "Older metrics by the day are removed.", unit="days"
    )


@dataclass(frozen=True, slots=True)
class BackendEndpoints:
    """How paths become endpoints. Numbers, UUIDs and hashes become `{id}` by themselves (docs/endpoints.md)."""

    patterns: tuple[str, ...] = _key(
        (),
        kinds.ENDPOINT_PATTERNS,
        "Paths that are one endpoint each, the first that fits: `/users/{name}/orders`. `{…}` stands for one segment, "
        "`**` at the end for all that follow.",
    )
    openapi: tuple[str, ...] = _key(
        (),
        kinds.OPENAPI_FILES,
        "OpenAPI files (YAML or JSON) whose paths name the endpoints of a service, after `patterns`: "
        "`cart.*=/etc/rover/cart.yaml`; a file alone is for all services. Read at the start.",
    )
    learn_after: int = _key(
        100,
        kinds.with_bounds(kinds.INTEGER, 0, 10_000),
        "What follows the same beginning of a path in more different ways becomes `{any}`, but for what one call in "
        "fifty has; by service, of calls that worked. 0: nothing is learned.",
        unit="segments",
    )


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend of `rover up` and `rover backend`."""

    grpc: BackendGrpc = _section(BackendGrpc)
    http: BackendHttp = _section(BackendHttp)
    store: BackendStore = _section(BackendStore)
    metrics: BackendMetrics = _section(BackendMetrics)
    endpoints: BackendEndpoints = _section(BackendEndpoints)


@dataclass(frozen=True, slots=True)
class Node:
    """The machine that rover runs on."""

    name: str | None = _key(
        None, kinds.optional(kinds.TEXT), "Name of this node in records and reports; not set means the host name."
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What rover may take: above a limit it gives up bodies, then layers, then connections (docs/operations.md)."""

    cpu_percent: float | None = _key(
        None,
        kinds.optional(kinds.with_bounds(kinds.NUMBER, 0.1, 100_000)),
        "The most CPU time that the daemon may take, of one CPU; null means no limit.",
        unit="percent",
        is_live=True,
    )
    memory_bytes: int | None = _key(
        None,
        kinds.optional(kinds.with_bounds(kinds.SIZE, 16 * _MIB, 1 << 40)),
        "The most resident memory that the daemon may take; null means no limit.",
        unit="bytes",
        is_live=True,
    )
    application_percent: float | None = _key(
        None,
        kinds.optional(kinds.with_bounds(kinds.NUMBER, 0.01, 100_000)),
        "The most CPU time that the programs in the kernel may take from applications, of one CPU; null means no "
        "limit. Held only while `kernel.bpf_stats_enabled` is 1.",
        unit="percent",
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """What Prometheus and probes may ask a running daemon: `/metrics`, `/healthz`, `/readyz`."""

    address: str | None = _key(
        "127.0.0.1:9464",
        kinds.optional(kinds.ADDRESS),
        "Where they are answered, by `rover daemon` and `rover up`; null means nowhere.",
    )
    token_file: Path | None = _key(
        None,
        kinds.optional(kinds.PATH),
        "File whose first line is the bearer token of `/metrics`; required beyond loopback.",
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Daemon:
    """The one daemon of this machine: `rover daemon` or `rover up`."""

    folder: Path = _key(
        Path("/run/rover"),
        kinds.PATH,
        "Holds the lock that a second daemon finds taken, and the socket that `rover status` asks. Made if missing.",
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What rover says about itself on stderr."""

    level: str = _key(
        "info",
        kinds.choice("debug", "info", "warning", "error"),
        "The least severe message that is shown.",
        is_live=True,
    )
    format: str = _key(
        "text",
        kinds.choice("text", "json"),
        "Form of a message: a line to read, or one JSON object a line.",
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The end of the program."""

    seconds: float = _key(
        5,
        kinds.with_bounds(kinds.NUMBER, 0, 300),
        "The most time that a stop takes for draining what is in flight and sending it.",
        unit="seconds",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    capture: Capture = _section(Capture)
    tls: Tls = _section(Tls)
    kernel: Kernel = _section(Kernel)
    watch: Watch = _section(Watch)
    identity: Identity = _section(Identity)
    containers: Containers = _section(Containers)
    kubernetes: Kubernetes = _section(Kubernetes)
    reporters: Reporters = _section(Reporters)
    backend: Backend = _section(Backend)
    node: Node = _section(Node)
    daemon: Daemon = _section(Daemon)
    limits: Limits = _section(Limits)
    metrics: Metrics = _section(Metrics)
    log: Log = _section(Log)
    shutdown: Shutdown = _section(Shutdown)


def walk(section: Any, prefix: str = "") -> Iterator[tuple[str, Any, dataclasses.Field[Any] | None]]:
    """Each section and key below `section`, in order: full name, value, and the field, which is None for a section."""
    for one in dataclasses.fields(section):
        name = prefix + one.name
        value = getattr(section, one.name)
        if "kind" in one.metadata:
            yield name, value, one
        else:
            yield name, value, None
            yield from walk(value, name + ".")


def _table() -> dict[str, Key]:
    return {
        name: Key(name, default=default, **found.metadata)
        for name, default, found in walk(Config())
        if found is not None
    }


KEYS: dict[str, Key] = _table()
"""The table: every key by its full name, in the order of the reference page."""


def build(values: dict[str, Any]) -> Config:
    """The tree with these values by full name, and defaults for the rest. The values are already checked."""

    def fill(section: Any, prefix: str) -> Any:
        parts = {}
        for one in dataclasses.fields(section):
            name, value = prefix + one.name, getattr(section, one.name)
            parts[one.name] = values.get(name, value) if "kind" in one.metadata else fill(value, name + ".")
        return type(section)(**parts)

    config: Config = fill(Config(), "")
    return config
