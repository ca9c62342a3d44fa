"""Traffic of the watched processes in Prometheus' words: rate, errors and durations of HTTP, and what TCP moved.

The engine sums up, by service, side and class of status; it names 64 services, all others are `other`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Upper ends of the buckets, as OpenTelemetry's conventions advise them; the engine has the same."""

_TCP = (
    ("sent_bytes", "rover_tcp_sent_bytes", "Bytes that sockets took."),
    ("received_bytes", "rover_tcp_received_bytes", "Bytes that sockets gave."),
    ("retransmits", "rover_tcp_retransmits", "Packets sent again; absent where no hook shows them."),
    ("opened", "rover_tcp_connections_opened", "Connections made or accepted."),
    ("failed", "rover_tcp_connections_failed", "Connections that could not be made."),
    ("closed", "rover_tcp_connections_closed", "Connections that ended."),
)


def traffic_metrics(traffic: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """`traffic`: as `Engine.traffic` gives it."""
    ends = sorted(traffic, key=lambda end: (end["service"], end["side"]))
    labels = ["service", "side", "status"]
    requests = CounterMetricFamily(
        "rover_http_requests", "Exchanges, by class of status; `none`: without a response.", labels=labels
    )
    errors = CounterMetricFamily(
        "rover_http_errors",
        "Of these the failed ones: 5xx, 4xx of clients, a status of gRPC, no response.",
        labels=labels,
    )
    durations = HistogramMetricFamily(
        "rover_http_request_duration_seconds", "Durations of exchanges that had a response.", labels=labels
    )
    for end in ends:
        for http in end["http"]:
            named = [end["service"], end["side"], http["status"]]
            requests.add_metric(named, http["requests"])
            errors.add_metric(named, http["errors"])
            bounds = (*map(str, BOUNDS_S), "+Inf")
            buckets = list(zip(bounds, accumulate(http["buckets"]), strict=True))
            durations.add_metric(named, buckets, http["sum_ns"] * 1e-9)
    yield from (requests, errors, durations)
    for key, name, text in _TCP:
        family = CounterMetricFamily(name, text, labels=["service", "side"])
        for end in ends:
            if end["tcp"][key] is not None:
                family.add_metric([end["service"], end["side"]], end["tcp"][key])
        yield family
