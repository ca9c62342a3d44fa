"""What the API answers about traffic over time and between services."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from rover.backend.api.shapes import TimeSpan

Share = Annotated[float | None, Meta(description="0 to 1; null without any")]


class Traffic(Struct, frozen=True):
    """What one side of connections saw. Percentiles are exact to 1 %; null: not measured."""

    calls: int
    calls_per_minute: float
    success_rate: Annotated[float | None, Meta(description="Calls that got a response below 500; null without calls")]
    mean_ns: int | None
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    connects: Annotated[int, Meta(description="Connections opened, or accepted at a server")]
    sent_bytes: Annotated[int, Meta(description="Written to sockets by this side")]
    received_bytes: int
    sent_packets: int
    retransmits: Annotated[int, Meta(description="Of sent packets")]
    drops: Annotated[int, Meta(description="Packets that the kernel threw away, by reason on the exchanges")]


class TopologyNode(Struct, frozen=True):
    """A service, or an address that nobody here is known to be behind."""

    id: Annotated[str, Meta(description="What edges name: the service's name, `address:` and the address otherwise")]
    name: str
    kind: Annotated[
        Literal["service", "host", "external"], Meta(description="host: a private address; external: a public one")
    ]
    group: Annotated[str | None, Meta(description="Namespace: what follows the last dot of a service's name")]
    seen: Annotated[Traffic | None, Meta(description="Server-side; null: nobody watches it being called")]


class TopologyEdge(Struct, frozen=True):
    """Who calls whom, as either end saw it. What the ends differ by is the network and its queues."""

    source: str
    target: str
    is_http: Annotated[bool, Meta(description="false: connections and bytes, but no exchange")]
    is_tls: bool
    client: Annotated[Traffic | None, Meta(description="null: this end is not watched")]
    server: Traffic | None
    network_ns: Annotated[
        int | None, Meta(description="Mean at the client less mean at the server; null if an end is missing")
    ]


class Topology(Struct, frozen=True):
    """Who talked to whom in a span of time."""

    nodes: list[TopologyNode]
    edges: list[TopologyEdge]
    span: TimeSpan


class InstanceFigures(Struct, frozen=True):
    """One instance of a service: pod, container or node."""

    name: str
    seen: Traffic


class Instances(Struct, frozen=True):
    """Instances of a service, by name."""

    instances: list[InstanceFigures]
    span: TimeSpan


class Heat(Struct, frozen=True):
    """Calls by duration and time: `counts[bar][band]`."""

    bounds_ns: Annotated[list[int], Meta(description="Lower end of each band; the next one's is its upper end")]
    counts: list[list[int]]


class Layers(Struct, frozen=True):
    """Time per bar that each layer took by itself, in ns; null where it was not measured."""

    socket: list[int | None]
    tcp: list[int | None]
    ip: list[int | None]
    netfilter: list[int | None]
    queue: list[int | None]
    device: list[int | None]
    wait: Annotated[list[int | None], Meta(description="Between arrival and the read of the application")]


class Series(Struct, frozen=True):
    """A service, or one of its endpoints, over time: a value for each bar."""

    span: TimeSpan
    whole: Annotated[Traffic, Meta(description="Over the whole span")]
    calls: list[int]
    statuses: Annotated[
        dict[str, list[int]], Meta(description="Calls by status class, `1xx` to `5xx`, and `none` without a response")
    ]
    p50_ns: list[int | None]
    p95_ns: list[int | None]
    p99_ns: list[int | None]
    heat: Heat
    connects: list[int]
    closes: list[int]
    sent_bytes: list[int]
    received_bytes: list[int]
    sent_packets: list[int]
    received_packets: list[int]
    retransmits: list[int]
    drops: list[int]
    sending: Layers
    receiving: Layers
