"""The map: services and addresses, and who calls whom as either end saw it; and services over time."""

from __future__ import annotations

import ipaddress
from typing import Literal

from rover.backend.api.figures import time_span
from rover.backend.api.traffic import heat, percentile_lines, receiving, sending, statuses, traffic
from rover.backend.api.traffic_shapes import (
    InstanceFigures,
    Instances,
    Series,
    Topology,
    TopologyEdge,
    TopologyNode,
    Traffic,
)
from rover.backend.metrics import Call, Figures, Metrics, Node, total
from rover.backend.store import Store

ADDRESS = "address:"


def topology(store: Store, from_ns: int, to_ns: int, around: str | None = None) -> Topology:
    """Everything that was seen in a span of time; with `around` only what that service has to do with."""
    metrics = Metrics(store)
    span = metrics.span(from_ns, to_ns)
    found = metrics.topology(span.first_s, span.end_s)
    seen = metrics.services(span.first_s, span.end_s)
    if around is not None:
        found = found.around([around])
        alone = {around}
    else:
        alone = set(seen)
    calls = [call for call in found.calls if not _is_opened_only(call)]
    nodes = {*(end for call in calls for end in (call.source, call.target)), *(Node(name) for name in alone)}
    ordered = sorted(nodes, key=lambda node: (node.service, node.is_real))
    return Topology(
        [_node(node, seen.get(node.service) if node.is_real else None, span.watched_s) for node in ordered],
        [_edge(call, span.watched_s) for call in calls],
        time_span(span),
    )


def instances(store: Store, service: str, from_ns: int, to_ns: int) -> Instances:
    """Instances of a service."""
    metrics = Metrics(store)
    span = metrics.span(from_ns, to_ns)
    found = metrics.instances(service, span.first_s, span.end_s)
    listed = [InstanceFigures(name, traffic(figures, span.watched_s)) for name, figures in sorted(found.items())]
    return Instances(listed, time_span(span))


def series(store: Store, service: str, endpoint: str | None, from_ns: int, to_ns: int) -> Series:
    """A service, or one of its endpoints, over time."""
    metrics = Metrics(store)
    span = metrics.span(from_ns, to_ns)
    bars = metrics.bars(service, endpoint, span)
    p50_ns, p95_ns, p99_ns = percentile_lines(bars)

    def each(*names: str) -> list[int]:
        return [sum(bar[name] for name in names) for bar in bars]

    return Series(
        span=time_span(span),
        whole=traffic(total(bars), span.watched_s),
        calls=each("http_calls"),
        statuses=statuses(bars),
        p50_ns=p50_ns,
        p95_ns=p95_ns,
        p99_ns=p99_ns,
        heat=heat(bars),
        connects=each("connects", "accepts"),
        closes=each("closes"),
        sent_bytes=each("write_bytes"),
        received_bytes=each("read_bytes"),
        sent_packets=each("write_packets"),
        received_packets=each("read_packets"),
        retransmits=each("write_retransmits"),
        drops=each("write_drops", "read_drops"),
        sending=sending(bars),
        receiving=receiving(bars),
    )


def kind_of(node: Node) -> Literal["service", "host", "external"]:
    """What a node of the map stands for."""
    if node.is_real:
        return "service"
    try:
        return "host" if ipaddress.ip_address(node.service).is_private else "external"
    except ValueError:
        return "external"


def maybe_group(node: Node) -> str | None:
    """The namespace of a service that is called by the template `{service}.{namespace}`."""
    first, dot, last = node.service.rpartition(".")
    return last if node.is_real and dot and first and last else None


def _is_opened_only(call: Call) -> bool:
    """Connections to or from an address on which nothing was sent: a client often has its peer's name only afterwards,
    and what it sends is told under that name. One that could not connect stays: nothing else tells of it."""
    return not (call.source.is_real and call.target.is_real) and not any(
        side.calls or side["write_bytes"] or side["read_bytes"] or side["connects"] > side["connect_successes"]
        for side in (call.client, call.server)
        if side is not None
    )


def _node(node: Node, seen: Figures | None, watched_s: float) -> TopologyNode:
    return TopologyNode(_id(node), node.service, kind_of(node), maybe_group(node), _maybe_served(seen, watched_s))


def _maybe_served(seen: Figures | None, watched_s: float) -> Traffic | None:
    """None for a service that only calls others: it has traffic of its own, but nobody is served."""
    return None if seen is None or not (seen.calls or seen["accepts"]) else traffic(seen, watched_s)


def _edge(call: Call, watched_s: float) -> TopologyEdge:
    spoken = {name for side in (call.client, call.server) if side is not None for name in side.components()}
    client = None if call.client is None else traffic(call.client, watched_s)
    server = None if call.server is None else traffic(call.server, watched_s)
    means = [None if side is None else side.mean_ns for side in (client, server)]
    return TopologyEdge(
        source=_id(call.source),
        target=_id(call.target),
        is_http=any(side.calls for side in (client, server) if side is not None),
        is_tls=not spoken.isdisjoint(("https", "tls")),
        client=client,
        server=server,
        network_ns=None if means[0] is None or means[1] is None else means[0] - means[1],
    )


def _id(node: Node) -> str:
    return node.service if node.is_real else f"{ADDRESS}{node.service}"
