"""The map: services and addresses, and who calls whom as either end saw it; and services over time."""

from __future__ import annotations

import msgspec

from rover import _engine
from rover.backend.api.figures import time_span
from rover.backend.api.traffic import heat, percentile_lines, receiving, sending, statuses, traffic
from rover.backend.api.traffic_shapes import InstanceFigures, Instances, Series
from rover.backend.metrics import Metrics, total
from rover.backend.store import Store


def topology(store: Store, from_ns: int, to_ns: int, around: str | None = None) -> bytes:
    """Everything that was seen in a span of time, a `Topology` as JSON; with `around` only what that service has to do
    with."""
    told = Metrics(store).told_map(from_ns, to_ns)
    span = msgspec.json.encode(time_span(told.span)).decode()
    return _engine.topology_json(
        told.client, told.server, told.services, told.entities, around, told.span.watched_s, span
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
