"""What OAP should say, computed from the messages one by one: events first, then each metric over all of them."""

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.wire import messages

from .rules import Metric

SECOND_NS = 10**9
SHARES = (50, 75, 90, 95, 99)
BUCKET_MS = 10
APDEX_MS = 500
MILLISECOND_NS = 10**6

Entity = tuple[str, ...]
"""Service · service, pod · service, endpoint · service, service · service, pod, service, pod."""

OPERATIONS = {
    "write": {
        "l4.duration": "l4Metrics.totalDuration",
        "l4.transmitPackageCount": "l4Metrics.totalTransmitPackageCount",
        "l4.retransmitPackageCount": "l4Metrics.totalRetransmitPackageCount",
        "l4.totalPackageSize": "l4Metrics.totalPackageSize",
        "l3.duration": "l3Metrics.totalDuration",
        "l3.localDuration": "l3Metrics.totalLocalDuration",
        "l3.outputDuration": "l3Metrics.totalOutputDuration",
        "l3.resolveMACCount": "l3Metrics.totalResolveMACCount",
        "l3.resolveMACDuration": "l3Metrics.totalResolveMACDuration",
        "l3.netFilterCount": "l3Metrics.totalNetFilterCount",
        "l3.netFilterDuration": "l3Metrics.totalNetFilterDuration",
        "l2.duration": "l2Metrics.totalDuration",
        "l2.enterQueueBufferCount": "l2Metrics.totalEnterQueueBufferCount",
        "l2.readySendDuration": "l2Metrics.totalReadySendDuration",
        "l2.networkDeviceSendDuration": "l2Metrics.totalNetDeviceSendDuration",
    },
    "read": {
        "l4.duration": "l4Metrics.totalDuration",
        "l3.duration": "l3Metrics.totalDuration",
        "l3.rcvDuration": "l3Metrics.totalRecvDuration",
        "l3.localDuration": "l3Metrics.totalLocalDuration",
        "l3.netFilterCount": "l3Metrics.totalNetFilterCount",
        "l3.netFilterDuration": "l3Metrics.totalNetFilterDuration",
        "l2.packageCount": "l2Metrics.totalPackageCount",
        "l2.totalPackageSize": "l2Metrics.totalPackageSize",
        "l2.packageToQueueDuration": "l2Metrics.totalPackageToQueueDuration",
        "l2.rcvPackageFromQueueDuration": "l2Metrics.totalRcvPackageFromQueueDuration",
    },
}
"""Fields of the rules, and where the messages have them."""


@dataclass
class Event:
    """Something that happened, as seen from one side."""

    kind: str
    minute: int
    side: str
    values: dict[str, int]
    is_success: bool = True
    status: int = 0


@dataclass
class Truth:
    """Everything that the messages say."""

    events: dict[tuple[str, Entity], list[Event]] = field(default_factory=lambda: defaultdict(list))
    arrows: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    dropped: int = 0

    @property
    def minutes(self) -> set[int]:
        """Minutes since the epoch in which something happened."""
        return {event.minute for events in self.events.values() for event in events}

    def entities(self, source: str) -> list[Entity]:
        """All entities of a kind."""
        return sorted(entity for of, entity in self.events if of == source)

    def value(self, metric: Metric, entity: Entity, minute: int) -> int | dict[str, int] | None:
        """The value of a minute; None where nothing of the kind happened. Percentiles by their share."""
        chosen = [
            event
            for event in self.events[metric.source, entity]
            if event.minute == minute
            and event.kind == ("http" if metric.event == "call" else metric.event)
            and metric.side in (None, event.side)
            and (metric.status is None or metric.status <= event.status < metric.status + 100)
            and (event.is_success or not metric.only_successes)
        ]
        if not chosen:
            return None
        values = [event.values.get(metric.field, 0) for event in chosen]
        match metric.function:
            case "cpm":
                return len(chosen)
            case "sum":
                return sum(values)
            case "longAvg":
                return sum(values) // len(values)
            case "percent":
                return sum(event.is_success for event in chosen) * 10_000 // len(chosen)
            case "apdex":
                return _apdex(chosen)
            case "percentile2":
                return _percentiles(sorted(values))
        raise ValueError(metric.function)


def _percentiles(ordered: list[int]) -> dict[str, int]:
    """OAP rounds the rank to the nearest, and the value down to its buckets."""
    ranks = {share: max(1, (share * len(ordered) + 50) // 100) for share in SHARES}
    return {str(share): ordered[rank - 1] // BUCKET_MS * BUCKET_MS for share, rank in ranks.items()}


def _apdex(events: list[Event]) -> int:
    satisfied = sum(event.is_success and event.values["latency"] <= APDEX_MS for event in events)
    tolerated = sum(event.is_success and APDEX_MS < event.values["latency"] <= 4 * APDEX_MS for event in events)
    return (satisfied * 10_000 + tolerated * 5000) // len(events)


def service_id(name: str) -> str:
    """OAP's id of a service that is real."""
    return base64.b64encode(name.encode()).decode() + ".1"


def truth(stream: Iterable[Any], grouped: Callable[[str], str] = str) -> Truth:
    """Of the messages of whole streams, one stream behind the other. `grouped`: what a path counts as."""
    found = Truth()
    boot_s, connection = 0, None
    for message in stream:
        if message.HasField("node"):
            boot_s = message.node.bootTime.seconds
        if message.HasField("connection"):
            connection = message.connection
        assert connection is not None
        local, remote = connection.local.kubernetes, connection.remote.kubernetes
        if not local.serviceName or local.serviceName == remote.serviceName:
            found.dropped += len(message.kernelLogs) + message.HasField("protocolLog")
            continue
        side = "server" if connection.role == 1 else "client"
        for event in _events(message, boot_s, side):
            _book(found, event, local, remote, message, grouped)
    return found


def _book(found: Truth, event: Event, local: Any, remote: Any, message: Any, grouped: Callable[[str], str]) -> None:
    found.events["K8SService", (local.serviceName,)].append(event)
    if local.podName:
        found.events["K8SServiceInstance", (local.serviceName, local.podName)].append(event)
    source, target = (remote, local) if event.side == "server" else (local, remote)
    arrow = (source.serviceName, target.serviceName)
    found.arrows[arrow].add(event.side.upper())
    found.events["K8SServiceRelation", arrow].append(event)
    if local.podName and remote.podName:
        ends = (source.serviceName, source.podName, target.serviceName, target.podName)
        found.events["K8SServiceInstanceRelation", ends].append(event)
    if event.kind == "http" and event.side == "server":
        request = message.protocolLog.http.request
        name = "UNRECOGNIZED"
        if request.method < len(messages.METHODS):
            name = messages.METHODS[request.method]
        found.events["K8SEndpoint", (local.serviceName, f"{name}:{grouped(request.path)}")].append(event)


def _events(message: Any, boot_s: int, side: str) -> Iterator[Event]:
    for log in message.kernelLogs:
        kind = log.WhichOneof("operation")
        operation = getattr(log, kind)
        start_ns, end_ns = operation.startTime.offset.offset, operation.endTime.offset.offset
        values = {name: _at(operation, path) for name, path in OPERATIONS.get(kind, {}).items()}
        is_success = bool(operation.success) if kind in ("connect", "close") else True
        values["duration"] = end_ns - start_ns
        yield Event(kind, (boot_s + start_ns // SECOND_NS) // 60, side, values, is_success)
    if message.HasField("protocolLog"):
        http = message.protocolLog.http
        start_ns, end_ns = http.startTime.offset.offset, http.endTime.offset.offset
        values = {
            "latency": (end_ns - start_ns) // MILLISECOND_NS,
            "sizeOfRequestHeader": http.request.sizeOfHeadersBytes,
            "sizeOfRequestBody": http.request.sizeOfBodyBytes,
            "sizeOfResponseHeader": http.response.sizeOfHeadersBytes,
            "sizeOfResponseBody": http.response.sizeOfBodyBytes,
        }
        status = http.response.statusCode
        yield Event("http", (boot_s + start_ns // SECOND_NS) // 60, side, values, status < 500, status)


def _at(message: Any, path: str) -> int:
    for name in path.split("."):
        message = getattr(message, name)
    return int(message)
