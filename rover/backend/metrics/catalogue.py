"""The metrics by name: those of OAP 10.2 and later for access logs, with their functions and units.

Each is a formula over the sums of `Figures`. Where OAP has a slip, the name gives the true value here; docs/metrics.md
lists these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rover.backend.metrics.figures import Figures
from rover.backend.store.metrics.kinds import MINUTE_S

Function = Literal["cpm", "sum", "longAvg", "percent", "apdex", "percentile"]
Scope = Literal["Service", "ServiceInstance", "Endpoint", "ServiceRelation", "ServiceInstanceRelation"]
Side = Literal["client", "server", "both"]
Value = int | dict[str, float]

PERCENTILES = (50, 75, 90, 95, 99)
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `function` over `column`, defined where `of` is not zero."""

    name: str
    scope: Scope
    function: Function
    column: str
    of: str
    unit: str
    side: Side = "both"
    """Of a relation: whose view."""

    def view(self, client: Figures | None, server: Figures | None) -> Figures | None:
        """The figures that it is a formula over: of a relation one view of it, or both where its name says none."""
        if self.side == "client":
            return client
        if self.side == "server":
            return server
        if client is None or server is None or client is server:
            return server or client
        return client + server

    def value(self, figures: Figures, step_s: int) -> Value | None:
        """The value over a step; None where nothing happened. Percentiles in ms by their labels "50" to "99"."""
        count = figures[self.of]
        if not count:
            return None
        match self.function:
            case "cpm":
                return figures[self.column] * MINUTE_S // step_s
            case "sum":
                return figures[self.column]
            case "longAvg":
                return figures[self.column] // count
            case "percent":
                return figures[self.column] * 10_000 // count
            case "apdex":
                return (figures["apdex_satisfied"] * 10_000 + figures["apdex_tolerated"] * 5_000) // count
            case "percentile":
                found = figures.percentiles_ns([share / 100 for share in PERCENTILES])
                return {str(p): round((ns or 0) / NS_PER_MS, 3) for p, ns in zip(PERCENTILES, found, strict=True)}


Line = tuple[str, Function, str, str, str]
"""Suffix, function, column, of, unit."""


def _cpm(suffix: str, column: str) -> Line:
    return suffix, "cpm", column, column, "calls/min"


def _average(suffix: str, column: str, unit: str = "ns", of: str | None = None) -> Line:
    return suffix, "longAvg", column, of or f"{column}_of", unit


def _sum(suffix: str, column: str, of: str, unit: str) -> Line:
    return suffix, "sum", column, of, unit


STATUSES = [_cpm(f"http_status_{n}xx_cpm", f"status_{n}xx") for n in range(1, 6)]
SIZES = [
    _average("http_avg_req_header_size", "request_head_bytes", "bytes"),
    _average("http_avg_req_body_size", "request_body_bytes", "bytes"),
    _average("http_avg_resp_header_size", "response_head_bytes", "bytes"),
    _average("http_avg_resp_body_size", "response_body_bytes", "bytes"),
]
CALLS: list[Line] = [
    _cpm("http_call_cpm", "http_calls"),
    _average("http_call_time", "http_ms", "ms", "http_ns_of"),
    ("http_call_successful_rate", "percent", "http_successes", "http_calls", "1/100 %"),
]
SATISFACTION: list[Line] = [
    ("apdex", "apdex", "apdex_satisfied", "http_calls", "1/10000"),
    ("percentile", "percentile", "http_ns", "http_ns_of", "ms"),
]
LAYERS = [
    _average("write_l4_time", "write_l4_ns"),
    _average("write_l3_time", "write_l3_ns"),
    _average("write_l3_local_time", "write_l3_local_ns"),
    _average("write_l3_output_time", "write_l3_output_ns"),
    _average("write_l2_time", "write_l2_ns"),
    _average("read_l4_time", "read_l4_ns"),
    _average("read_l3_time", "read_l3_ns"),
    _average("read_l3_rcv_time", "read_l3_receive_ns"),
    _average("read_l3_local_time", "read_l3_local_ns"),
]
PACKETS = [
    _sum("write_package_cpm", "write_packets", "writes", "packages"),
    _sum("write_retrains_package_cpm", "write_retransmits", "writes", "packages"),
    _sum("write_package_size", "write_bytes", "writes", "bytes"),
    _sum("read_package_cpm", "read_packets", "reads", "packages"),
    _sum("read_package_size", "read_bytes", "reads", "bytes"),
]
NETFILTER = [
    _sum("write_netfilter_cpm", "write_netfilters", "writes", "count"),
    _sum("write_netfilter_duration", "write_netfilter_ns", "writes", "ns"),
    _sum("read_netfilter_cpm", "read_netfilters", "reads", "count"),
    _sum("read_netfilter_duration", "read_netfilter_ns", "reads", "ns"),
]


def _of_ends(is_instance: bool) -> list[Line]:
    queue, ready, send = (
        ("write_l2_avg_enter_queue_count", "write_l2_ready_send_time", "write_l2_net_device_send_time")
        if is_instance
        else (
            "write_l2_enter_avg_queue_count",
            "write_l2_ready_avg_send_duration",
            "write_l2_net_device_avg_send_duration",
        )
    )
    return [
        _cpm("connect_cpm", "connects"),
        _cpm("accept_cpm", "accepts"),
        _cpm("close_cpm", "closes"),
        _cpm("write_cpm", "writes"),
        _cpm("read_cpm", "reads"),
        _cpm("connect_success_cpm", "connect_successes"),
        _average("connect_time", "connect_ns", of="connects"),
        _average("accept_time", "accept_ns", of="accepts"),
        _average("close_time", "close_ns", of="closes"),
        _average("write_time", "write_ns"),
        _average("read_time", "read_ns"),
        *LAYERS,
        *PACKETS,
        _average(queue, "write_queue_entries", "count"),
        _average(ready, "write_l2_ready_ns"),
        _average(send, "write_l2_send_ns"),
        _average("read_package_to_queue_time", "read_to_queue_ns"),
        _average("read_rcv_package_from_queue_time", "read_from_queue_ns"),
        _sum("resolve_mac_cpm", "write_resolves", "writes", "count"),
        _sum("resolve_mac_duration", "write_resolve_ns", "writes", "ns"),
        *NETFILTER,
        *CALLS,
        *SIZES,
        *SATISFACTION,
        *STATUSES,
    ]


ENDPOINT: list[Line] = [
    _cpm("call_cpm", "http_calls"),
    _average("call_time", "http_ms", "ms", "http_ns_of"),
    ("call_successful_rate", "percent", "http_successes", "http_calls", "1/100 %"),
    *CALLS,
    *SIZES,
    *STATUSES,
]
RELATION: list[Line] = [
    _cpm("connect_cpm", "connects"),
    _cpm("connect_success_cpm", "connect_successes"),
    _sum("connect_duration", "connect_ns", "connects", "ns"),
    _cpm("accept_cpm", "accepts"),
    _sum("accept_duration", "accept_ns", "accepts", "ns"),
    _cpm("close_cpm", "closes"),
    _sum("close_duration", "close_ns", "closes", "ns"),
]
RELATION_SIDE: list[Line] = [
    _cpm("write_cpm", "writes"),
    _cpm("read_cpm", "reads"),
    *PACKETS,
    _sum("write_package_duration", "write_ns", "writes", "ns"),
    _sum("read_package_duration", "read_ns", "reads", "ns"),
    *LAYERS,
    _average("write_l2_ready_send_time", "write_l2_ready_ns"),
    _average("write_l2_net_dev_send_time", "write_l2_send_ns"),
    _average("read_l2_package_to_queue_time", "read_to_queue_ns"),
    _average("read_l2_rcv_package_from_queue_time", "read_from_queue_ns"),
    _sum("write_resolve_mac_cpm", "write_resolves", "writes", "count"),
    _sum("write_resolve_mac_duration", "write_resolve_ns", "writes", "ns"),
    *NETFILTER,
    _cpm("http_call_cpm", "http_calls"),
    _average("http_call_time", "http_ms", "ms", "http_ns_of"),
    *SIZES,
    *SATISFACTION,
    *STATUSES,
]


def _metrics() -> Iterator[Metric]:
    for line in _of_ends(is_instance=False):
        yield _metric("kubernetes_service_", "Service", line)
    for line in _of_ends(is_instance=True):
        yield _metric("kubernetes_service_instance_", "ServiceInstance", line)
    for line in ENDPOINT:
        yield _metric("kubernetes_service_endpoint_", "Endpoint", line)
    scopes: tuple[tuple[str, Scope], ...] = (
        ("kubernetes_service_relation_", "ServiceRelation"),
        ("kubernetes_service_instance_relation_", "ServiceInstanceRelation"),
    )
    sides: tuple[Side, ...] = ("client", "server")
    for prefix, scope in scopes:
        for line in RELATION:
            yield _metric(prefix, scope, line)
        for side in sides:
            for line in RELATION_SIDE:
                yield _metric(f"{prefix}{side}_", scope, line, side)
            if scope == "ServiceRelation":
                yield _metric(f"{prefix}{side}_", scope, _cpm("http_success_cpm", "http_successes"), side)
    duration = _sum("http_call_duration", "http_ms", "http_ns_of", "ms")
    yield _metric("kubernetes_service_relation_client_", "ServiceRelation", duration, "client")


def _metric(prefix: str, scope: Scope, line: Line, side: Side = "both") -> Metric:
    suffix, function, column, of, unit = line
    return Metric(prefix + suffix, scope, function, column, of, unit, side)


METRICS = {metric.name: metric for metric in _metrics()}
"""All metrics by name."""
