"""What the API answers."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from rover.backend.api.record import Record


class ServiceFigures(Struct, frozen=True):
    """Server-side calls of one service. Percentiles are of calls with a response, exact to 1 %."""

    name: Annotated[str, Meta(description="`(unknown)`: processes without a name; `(other)`: beyond the bound")]
    calls: int
    calls_per_minute: float
    success_rate: Annotated[
        float | None, Meta(description="Share of calls that got a response below 500, 0 to 1; null without calls")
    ]
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    bytes_per_second: Annotated[float, Meta(description="Requests and responses, as on the wire")]
    retransmit_rate: Annotated[
        float | None, Meta(description="Share of the packets sent that were sent again; null: no packet was counted")
    ]
    spark: Annotated[list[int], Meta(description="Calls per bar")]


class EndpointFigures(Struct, frozen=True):
    """Server-side calls of one endpoint of a service: a method, and paths that are one."""

    method: Annotated[str | None, Meta(description="null: it has none")]
    path: Annotated[str | None, Meta(description="What differs from call to call as `{id}`; null: paths of all kinds")]
    endpoint: Annotated[str, Meta(description="`METHOD:path` as `/series` takes it")]
    is_other: Annotated[bool, Meta(description="All that is beyond the number of endpoints kept apart")]
    calls: int
    calls_per_minute: float
    success_rate: float | None
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    bytes_per_second: float
    spark: list[int]


class TimeSpan(Struct, frozen=True):
    """What the figures cover: the span asked for in whole minutes, in whole hours or days where minutes are gone."""

    from_ns: int
    to_ns: int
    watched_s: Annotated[float, Meta(description="Seconds of it with data; what rates divide by")]
    bar_s: Annotated[int, Meta(description="Width of a bar of the spark lines, which begin at multiples of it")]


class Services(Struct, frozen=True):
    """Services, most failing calls first, then most calls."""

    services: list[ServiceFigures]
    span: TimeSpan


class Endpoints(Struct, frozen=True):
    """Endpoints of a service, most failing calls first, then most calls."""

    endpoints: list[EndpointFigures]
    span: TimeSpan


class Exchanges(Struct, frozen=True):
    """Records, newest first."""

    exchanges: list[Record]
    next: Annotated[
        str | None,
        Meta(
            description="Pass as `before` (as `after`, if that was asked) to go on, after a short page too; null: end"
        ),
    ]
    sampled_one_in: Annotated[
        float | None,
        Meta(description="Ordinary exchanges of which one is stored, where not all are; null: all are stored"),
    ]


class Partner(Struct, frozen=True):
    """The same exchange as the other end of its connection saw it."""

    partner: Annotated[Record | None, Meta(description="null: the other end is not watched, or no longer stored")]


class Hook(Struct, frozen=True):
    """One hook of the kernel."""

    hook: str
    mode: str
    attached: bool
    feeds: str
    reason: str | None


class TlsLibrary(Struct, frozen=True):
    """A file with a TLS library inside."""

    path: str
    kind: str
    version: str | None
    linkage: str
    attached: bool
    cost: Annotated[str, Meta(description="What a probe costs here: emulated, stepped or return probe")]
    reason: Annotated[str | None, Meta(description="Why it is not probed")]


class BlindWindow(Struct, frozen=True):
    """A process that could call a TLS library before it was probed: what it said then is not in records."""

    pid: int
    comm: str
    path: str
    blind_ns: Annotated[
        int, Meta(description="From the mapping, or from rover's start, until the probes were attached")
    ]
    is_older: Annotated[bool, Meta(description="It ran before rover")]


class TlsState(Struct, frozen=True):
    """What rover sees of TLS on this node."""

    enabled: bool
    reason: str | None
    libraries: list[TlsLibrary]
    blind_windows: Annotated[list[BlindWindow], Meta(description="The last ones, oldest first")]
    covered: Annotated[int, Meta(description="Processes whose library was probed before they mapped it")]


class Cost(Struct, frozen=True):
    """What rover itself takes."""

    cpu_percent: Annotated[float | None, Meta(description="Of one core, since the last request but at most a minute")]
    rss_bytes: int | None
    bpf_ns_per_exchange: float | None


class StoreState(Struct, frozen=True):
    """The store of this backend."""

    stored: Annotated[int, Meta(description="Records stored since start")]
    queued: int
    lost: Annotated[dict[str, int], Meta(description="Records not stored since start, by cause")]
    used_bytes: int
    overflowed: Annotated[
        int,
        Meta(description="How often figures went to `(other)`: too many names in an hour"),
    ]
    kept: Annotated[
        dict[str, int],
        Meta(description="Records stored while only a sample is (`backend.store.exchanges_per_second`), by why"),
    ]
    left_out: Annotated[
        dict[str, int], Meta(description="Records that count in metrics and are not stored, by cause: `above_rate`")
    ]
    retention_bytes: int
    retention_hours: float


class Node(Struct, frozen=True):
    """The node that rover runs on: completeness, hooks and cost."""

    ledger: Annotated[dict[str, int], Meta(description="captured = reported + the sum of all other entries")]
    hooks: list[Hook]
    tls: Annotated[TlsState | None, Meta(description="null: no daemon runs beside this backend")]
    cost: Cost
    uptime_s: float
    version: str
    watched_processes: int | None
    store: StoreState


Ledger = dict[str, int]

Anything = dict[str, Any]
