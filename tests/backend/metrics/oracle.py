"""The metrics of messages, computed slowly from the rules of docs/metrics.md and nothing of rover's: every operation
and call is kept in lists, and each metric is a formula over these."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.wire.messages import METHODS

Answer = int | dict[str, float] | None


@dataclass
class Happened:
    """All that happened to one entity in one minute."""

    connects: list[Any] = field(default_factory=list)
    accepts: list[Any] = field(default_factory=list)
    closes: list[Any] = field(default_factory=list)
    writes: list[Any] = field(default_factory=list)
    reads: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)


def ns(operation: Any) -> int:
    """How long it took."""
    return int(operation.endTime.offset.offset - operation.startTime.offset.offset)


def average(values: Iterable[int]) -> int | None:
    """Integer mean; None of nothing."""
    known = list(values)
    return sum(known) // len(known) if known else None


def nearest_rank(values: list[int], percent: int) -> int:
    """The smallest value that so many per cent of all are not above."""
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values))) - 1]


class Oracle:
    """Reads messages of one stream; `happened` then has what each entity did by minute."""

    def __init__(self) -> None:
        self.happened: dict[tuple[int, tuple[str, ...]], Happened] = defaultdict(Happened)
        """By minute and entity: ("service", name), ("instance", service, name), ("endpoint", service, name),
        ("client" or "server", source, destination), or the same with source, instance, destination, instance."""

    def read(self, message: Any) -> None:
        """Count a message."""
        if message.HasField("node"):
            self._boot_s = message.node.bootTime.seconds
        connection = message.connection
        is_server = connection.role != 0
        (service, pod), (peer, peer_pod) = _end(connection.local), _end(connection.remote)
        ends = (peer, peer_pod, service, pod) if is_server else (service, pod, peer, peer_pod)
        side = "server" if is_server else "client"
        entities = [("service", service), (side, ends[0], ends[2])]
        entities += [("instance", service, pod)] if pod else []
        entities += [(side, *ends)] if pod and peer_pod else []
        http = message.protocolLog.http if message.HasField("protocolLog") else None
        for log in message.kernelLogs:
            kind = log.WhichOneof("operation")
            operation = getattr(log, kind)
            is_of_call = http is not None and kind in ("read", "write")
            minute = self._minute(http.startTime if is_of_call else operation.startTime)
            for entity in entities:
                getattr(self.happened[minute, entity], f"{kind}s").append(operation)
        if http is None:
            return
        method = METHODS[http.request.method]
        path = re.sub(r"(?<=/)\d+(?=/|$)", "{id}", http.request.path)
        for entity in entities:
            if is_server or entity[0] == "client":
                self.happened[self._minute(http.startTime), entity].calls.append(http)
            else:
                # A service is there as soon as it is told of.
                self.happened[self._minute(http.startTime), entity]
        if is_server:
            entity = ("endpoint", service, f"{method}:{path}")
            self.happened[self._minute(http.startTime), entity].calls.append(http)

    def _minute(self, time: Any) -> int:
        return int(self._boot_s + time.offset.offset // 10**9) // 60 * 60


def _end(address: Any) -> tuple[str, str]:
    if address.HasField("ip"):
        return address.ip.host, ""
    return address.kubernetes.serviceName, address.kubernetes.podName


def _count(values: Iterable[Any]) -> int | None:
    return len(list(values)) or None


def _sum(of: list[Any], layer: str, name: str) -> int | None:
    return sum(getattr(getattr(one, layer), name) for one in of) if of else None


def _layer(of: list[Any], layer: str, name: str) -> int | None:
    return average(getattr(getattr(one, layer), name) for one in of if one.HasField(layer))


def _success(call: Any) -> bool:
    return 0 < call.response.statusCode < 500


def _ms(calls: list[Any]) -> list[int]:
    return [ns(call) // 10**6 for call in calls if call.response.statusCode]


def _apdex(calls: list[Any]) -> int | None:
    if not calls:
        return None
    good = [ns(call) // 10**6 for call in calls if _success(call)]
    satisfied, tolerated = sum(ms <= 500 for ms in good), sum(500 < ms <= 2000 for ms in good)
    return (satisfied * 10_000 + tolerated * 5_000) // len(calls)


def _percentiles(calls: list[Any]) -> dict[str, float] | None:
    known = [ns(call) for call in calls if call.response.statusCode]
    return {str(p): nearest_rank(known, p) / 10**6 for p in (50, 75, 90, 95, 99)} if known else None


Formula = Callable[[Happened], Answer]
HTTP: dict[str, Formula] = {
    "http_call_cpm": lambda h: _count(h.calls),
    "http_call_time": lambda h: average(_ms(h.calls)),
    "http_avg_req_header_size": lambda h: average(call.request.sizeOfHeadersBytes for call in h.calls),
    "http_avg_req_body_size": lambda h: average(call.request.sizeOfBodyBytes for call in h.calls),
    "http_avg_resp_header_size": lambda h: average(call.response.sizeOfHeadersBytes for call in h.calls),
    "http_avg_resp_body_size": lambda h: average(call.response.sizeOfBodyBytes for call in h.calls),
} | {
    f"http_status_{n}xx_cpm": lambda h, n=n: _count(c for c in h.calls if c.response.statusCode // 100 == n)  # type: ignore[misc]
    for n in range(1, 6)
}
RATE: dict[str, Formula] = {
    "call_successful_rate": lambda h: sum(map(_success, h.calls)) * 10_000 // len(h.calls) if h.calls else None,
    "http_call_successful_rate": lambda h: sum(map(_success, h.calls)) * 10_000 // len(h.calls) if h.calls else None,
}
SATISFACTION: dict[str, Formula] = {
    "apdex": lambda h: _apdex(h.calls),
    "percentile": lambda h: _percentiles(h.calls),
}
TRAFFIC: dict[str, Formula] = {
    "write_cpm": lambda h: _count(h.writes),
    "read_cpm": lambda h: _count(h.reads),
    "write_l4_time": lambda h: _layer(h.writes, "l4Metrics", "totalDuration"),
    "write_l3_time": lambda h: _layer(h.writes, "l3Metrics", "totalDuration"),
    "write_l3_local_time": lambda h: _layer(h.writes, "l3Metrics", "totalLocalDuration"),
    "write_l3_output_time": lambda h: _layer(h.writes, "l3Metrics", "totalOutputDuration"),
    "write_l2_time": lambda h: _layer(h.writes, "l2Metrics", "totalDuration"),
    "read_l4_time": lambda h: _layer(h.reads, "l4Metrics", "totalDuration"),
    "read_l3_time": lambda h: _layer(h.reads, "l3Metrics", "totalDuration"),
    "read_l3_rcv_time": lambda h: _layer(h.reads, "l3Metrics", "totalRecvDuration"),
    "read_l3_local_time": lambda h: _layer(h.reads, "l3Metrics", "totalLocalDuration"),
    "write_package_cpm": lambda h: _sum(h.writes, "l4Metrics", "totalTransmitPackageCount"),
    "write_retrains_package_cpm": lambda h: _sum(h.writes, "l4Metrics", "totalRetransmitPackageCount"),
    "write_package_size": lambda h: _sum(h.writes, "l4Metrics", "totalPackageSize"),
    "read_package_cpm": lambda h: _sum(h.reads, "l2Metrics", "totalPackageCount"),
    "read_package_size": lambda h: _sum(h.reads, "l2Metrics", "totalPackageSize"),
    "write_netfilter_cpm": lambda h: _sum(h.writes, "l3Metrics", "totalNetFilterCount"),
    "write_netfilter_duration": lambda h: _sum(h.writes, "l3Metrics", "totalNetFilterDuration"),
    "read_netfilter_cpm": lambda h: _sum(h.reads, "l3Metrics", "totalNetFilterCount"),
    "read_netfilter_duration": lambda h: _sum(h.reads, "l3Metrics", "totalNetFilterDuration"),
}
CHANGES: dict[str, Formula] = {
    "connect_cpm": lambda h: _count(h.connects),
    "connect_success_cpm": lambda h: _count(one for one in h.connects if one.success),
    "accept_cpm": lambda h: _count(h.accepts),
    "close_cpm": lambda h: _count(h.closes),
}


def _ends(queue: str, ready: str, send: str) -> dict[str, Formula]:
    return (
        CHANGES
        | TRAFFIC
        | HTTP
        | SATISFACTION
        | {
            "http_call_successful_rate": RATE["http_call_successful_rate"],
            "connect_time": lambda h: average(map(ns, h.connects)),
            "accept_time": lambda h: average(map(ns, h.accepts)),
            "close_time": lambda h: average(map(ns, h.closes)),
            "write_time": lambda h: average(map(ns, h.writes)),
            "read_time": lambda h: average(map(ns, h.reads)),
            queue: lambda h: _layer(h.writes, "l2Metrics", "totalEnterQueueBufferCount"),
            ready: lambda h: _layer(h.writes, "l2Metrics", "totalReadySendDuration"),
            send: lambda h: _layer(h.writes, "l2Metrics", "totalNetDeviceSendDuration"),
            "read_package_to_queue_time": lambda h: _layer(h.reads, "l2Metrics", "totalPackageToQueueDuration"),
            "read_rcv_package_from_queue_time": lambda h: _layer(
                h.reads, "l2Metrics", "totalRcvPackageFromQueueDuration"
            ),
            "resolve_mac_cpm": lambda h: _sum(h.writes, "l3Metrics", "totalResolveMACCount"),
            "resolve_mac_duration": lambda h: _sum(h.writes, "l3Metrics", "totalResolveMACDuration"),
        }
    )


SERVICE = _ends(
    "write_l2_enter_avg_queue_count", "write_l2_ready_avg_send_duration", "write_l2_net_device_avg_send_duration"
)
INSTANCE = _ends("write_l2_avg_enter_queue_count", "write_l2_ready_send_time", "write_l2_net_device_send_time")
ENDPOINT = HTTP | RATE | {"call_cpm": HTTP["http_call_cpm"], "call_time": HTTP["http_call_time"]}
EITHER: dict[str, Formula] = CHANGES | {
    "connect_duration": lambda h: sum(map(ns, h.connects)) if h.connects else None,
    "accept_duration": lambda h: sum(map(ns, h.accepts)) if h.accepts else None,
    "close_duration": lambda h: sum(map(ns, h.closes)) if h.closes else None,
}
SIDE: dict[str, Formula] = (
    TRAFFIC
    | HTTP
    | SATISFACTION
    | {
        "write_package_duration": lambda h: sum(map(ns, h.writes)) if h.writes else None,
        "read_package_duration": lambda h: sum(map(ns, h.reads)) if h.reads else None,
        "write_l2_ready_send_time": lambda h: _layer(h.writes, "l2Metrics", "totalReadySendDuration"),
        "write_l2_net_dev_send_time": lambda h: _layer(h.writes, "l2Metrics", "totalNetDeviceSendDuration"),
        "read_l2_package_to_queue_time": lambda h: _layer(h.reads, "l2Metrics", "totalPackageToQueueDuration"),
        "read_l2_rcv_package_from_queue_time": lambda h: _layer(
            h.reads, "l2Metrics", "totalRcvPackageFromQueueDuration"
        ),
        "write_resolve_mac_cpm": lambda h: _sum(h.writes, "l3Metrics", "totalResolveMACCount"),
        "write_resolve_mac_duration": lambda h: _sum(h.writes, "l3Metrics", "totalResolveMACDuration"),
    }
)
SUCCESSES: Formula = lambda h: _count(filter(_success, h.calls))  # noqa: E731


def formulas(scope: str) -> dict[str, tuple[str, Formula]]:
    """Metrics of a scope by name: whose view (of a relation), and the formula."""
    found: dict[str, tuple[str, Formula]] = {}
    plain = {"service": SERVICE, "instance": INSTANCE, "endpoint": ENDPOINT}
    if scope in plain:
        prefix = "kubernetes_service_" + ("" if scope == "service" else f"{scope}_")
        return {prefix + name: ("", formula) for name, formula in plain[scope].items()}
    prefix = f"kubernetes_{scope}_"
    found |= {prefix + name: ("both", formula) for name, formula in EITHER.items()}
    for side in ("client", "server"):
        found |= {f"{prefix}{side}_{name}": (side, formula) for name, formula in SIDE.items()}
        if scope == "service_relation":
            found[f"{prefix}{side}_http_success_cpm"] = (side, SUCCESSES)
    if scope == "service_relation":
        total: Formula = lambda h: sum(_ms(h.calls)) if _ms(h.calls) else None  # noqa: E731
        found[f"{prefix}client_http_call_duration"] = ("client", total)
    return found
