"""The metrics of access logs, as OAP has them since 10.2: one table, from which both the rules of a real OAP and the
expected values are made.

The jars that can be had are older (10.1), but the names of metrics are configuration, not code."""

from collections.abc import Iterator
from dataclasses import dataclass

COUNT, SUM, AVERAGE, SUCCESS, APDEX, PERCENTILES = "cpm", "sum", "longAvg", "percent", "apdex", "percentile2"

WRITE_LAYERS = (
    ("write_l4_time", "l4.duration", AVERAGE),
    ("write_l3_time", "l3.duration", AVERAGE),
    ("write_l3_local_time", "l3.localDuration", AVERAGE),
    ("write_l3_output_time", "l3.outputDuration", AVERAGE),
    ("write_l2_time", "l2.duration", AVERAGE),
    ("write_package_cpm", "l4.transmitPackageCount", SUM),
    ("write_retrains_package_cpm", "l4.retransmitPackageCount", SUM),
    ("write_package_size", "l4.totalPackageSize", SUM),
    ("write_netfilter_cpm", "l3.netFilterCount", SUM),
    ("write_netfilter_duration", "l3.netFilterDuration", SUM),
)
READ_LAYERS = (
    ("read_l4_time", "l4.duration", AVERAGE),
    ("read_l3_time", "l3.duration", AVERAGE),
    ("read_l3_rcv_time", "l3.rcvDuration", AVERAGE),
    ("read_l3_local_time", "l3.localDuration", AVERAGE),
    ("read_package_cpm", "l2.packageCount", SUM),
    ("read_package_size", "l2.totalPackageSize", SUM),
    ("read_netfilter_cpm", "l3.netFilterCount", SUM),
    ("read_netfilter_duration", "l3.netFilterDuration", SUM),
)
RESOLVE = (("resolve_mac_cpm", "l3.resolveMACCount"), ("resolve_mac_duration", "l3.resolveMACDuration"))
QUEUE_OF_SERVICE = (
    ("write_l2_enter_avg_queue_count", "l2.enterQueueBufferCount", AVERAGE),
    ("write_l2_ready_avg_send_duration", "l2.readySendDuration", AVERAGE),
    ("write_l2_net_device_avg_send_duration", "l2.networkDeviceSendDuration", AVERAGE),
)
QUEUE_OF_POD = (
    ("write_l2_avg_enter_queue_count", "l2.enterQueueBufferCount", AVERAGE),
    ("write_l2_ready_send_time", "l2.readySendDuration", AVERAGE),
    ("write_l2_net_device_send_time", "l2.networkDeviceSendDuration", AVERAGE),
)
QUEUE_OF_ARROW = (
    ("write_l2_ready_send_time", "l2.readySendDuration", AVERAGE),
    ("write_l2_net_dev_send_time", "l2.networkDeviceSendDuration", AVERAGE),
)
FROM_QUEUE = "l2.rcvPackageFromQueueDuration"
TO_QUEUE = "l2.packageToQueueDuration"
SIZES = (
    ("req_header_size", "sizeOfRequestHeader"),
    ("req_body_size", "sizeOfRequestBody"),
    ("resp_header_size", "sizeOfResponseHeader"),
    ("resp_body_size", "sizeOfResponseBody"),
)
STATUSES = tuple((f"http_status_{hundred}xx_cpm", hundred * 100) for hundred in range(1, 6))


@dataclass(frozen=True)
class Metric:
    """One metric: `function` over `field` of the events `event` of one side, of those with a status in that hundred."""

    name: str
    source: str
    event: str
    field: str
    function: str
    side: str | None = None
    status: int | None = None
    """The least status; 99 more belong to it."""
    only_successes: bool = False

    def rule(self) -> str:
        """In OAP's analysis language."""
        is_endpoint = self.source == "K8SEndpoint"
        of_http = "http." if is_endpoint else "protocol.http."
        success = "success" if is_endpoint else "protocol.success"
        field = self.field
        if field == "latency" and self.event == "call":
            field = "duration"
        elif field != "*":
            field = (of_http if self.event == "http" else self.event + ".") + field
        filters = []
        if self.side is not None:
            filters.append(f"detectPoint == DetectPoint.{self.side.upper()}")
        if self.event == "http":
            filters += ['type == "http"'] if is_endpoint else ['type == "protocol"', 'protocol.type == "http"']
        elif self.event != "call":
            filters.append(f'type == "{self.event}"')
        if self.status is not None:
            filters += [f"{of_http}statusCode >= {self.status}", f"{of_http}statusCode < {self.status + 100}"]
        if self.only_successes:
            filters.append(f"{success if self.event == 'http' else self.event + '.success'} == true")
        owner = "destServiceName" if self.side == "server" else "sourceServiceName"
        owner = {"K8SService": "name", "K8SServiceInstance": "serviceName"}.get(self.source, owner)
        arguments = {SUCCESS: f"{success} == true", APDEX: f"{owner}, {success}", PERCENTILES: "10"}
        function = f"{self.function}({arguments.get(self.function, '')})"
        conditions = "".join(f".filter({condition})" for condition in filters)
        return f"{self.name} = from({self.source}.{field}){conditions}.{function};"


def metrics() -> Iterator[Metric]:
    """All 296."""
    yield from _node("kubernetes_service_", "K8SService", QUEUE_OF_SERVICE)
    yield from _node("kubernetes_service_instance_", "K8SServiceInstance", QUEUE_OF_POD)
    yield from _endpoint("kubernetes_service_endpoint_", "K8SEndpoint")
    yield from _arrow("kubernetes_service_relation_", "K8SServiceRelation", is_of_pods=False)
    yield from _arrow("kubernetes_service_instance_relation_", "K8SServiceInstanceRelation", is_of_pods=True)


def _life(prefix: str, source: str, time: str, function: str) -> Iterator[Metric]:
    for event in ("connect", "accept", "close"):
        yield Metric(f"{prefix}{event}_cpm", source, event, "*", COUNT)
        yield Metric(f"{prefix}{event}_{time}", source, event, "duration", function)
    yield Metric(f"{prefix}connect_success_cpm", source, "connect", "*", COUNT, only_successes=True)


def _http(prefix: str, source: str, side: str | None, sizes: str) -> Iterator[Metric]:
    yield Metric(f"{prefix}http_call_cpm", source, "http", "*", COUNT, side)
    yield Metric(f"{prefix}http_call_time", source, "http", "latency", AVERAGE, side)
    for suffix, field in SIZES:
        yield Metric(f"{prefix}http_avg_{suffix}", source, "http", field, sizes, side)
    for suffix, status in STATUSES:
        yield Metric(f"{prefix}{suffix}", source, "http", "*", COUNT, side, status)


def _satisfaction(prefix: str, source: str, side: str) -> Iterator[Metric]:
    yield Metric(f"{prefix}apdex", source, "http", "latency", APDEX, side)
    yield Metric(f"{prefix}percentile", source, "http", "latency", PERCENTILES, side)


def _node(prefix: str, source: str, queue: tuple[tuple[str, str, str], ...]) -> Iterator[Metric]:
    yield from _life(prefix, source, "time", AVERAGE)
    for event, layers in (("write", (*WRITE_LAYERS, *queue)), ("read", READ_LAYERS)):
        yield Metric(f"{prefix}{event}_cpm", source, event, "*", COUNT)
        yield Metric(f"{prefix}{event}_time", source, event, "duration", AVERAGE)
        for suffix, field, function in layers:
            yield Metric(prefix + suffix, source, event, field, function)
    for suffix, field in RESOLVE:
        yield Metric(prefix + suffix, source, "write", field, SUM)
    yield Metric(f"{prefix}read_package_to_queue_time", source, "read", TO_QUEUE, AVERAGE)
    # OAP's own rules read the same field here once more, a slip of theirs; rover's backend tells what the name says.
    yield Metric(f"{prefix}read_rcv_package_from_queue_time", source, "read", FROM_QUEUE, AVERAGE)
    yield from _http(prefix, source, "server", AVERAGE)
    yield Metric(f"{prefix}http_call_successful_rate", source, "http", "*", SUCCESS, "server")
    yield from _satisfaction(prefix, source, "server")


def _endpoint(prefix: str, source: str) -> Iterator[Metric]:
    yield Metric(f"{prefix}call_cpm", source, "call", "*", COUNT)
    yield Metric(f"{prefix}call_time", source, "call", "latency", AVERAGE)
    yield Metric(f"{prefix}call_successful_rate", source, "call", "*", SUCCESS)
    yield from _http(prefix, source, None, AVERAGE)
    yield Metric(f"{prefix}http_call_successful_rate", source, "http", "*", SUCCESS)


def _arrow(prefix: str, source: str, *, is_of_pods: bool) -> Iterator[Metric]:
    yield from _life(prefix, source, "duration", SUM)
    for side in ("server", "client"):
        seen = f"{prefix}{side}_"
        for event, layers in (("write", (*WRITE_LAYERS, *QUEUE_OF_ARROW)), ("read", READ_LAYERS)):
            yield Metric(f"{seen}{event}_cpm", source, event, "*", COUNT, side)
            yield Metric(f"{seen}{event}_package_duration", source, event, "duration", SUM, side)
            for suffix, field, function in layers:
                yield Metric(seen + suffix, source, event, field, function, side)
        for suffix, field in RESOLVE:
            yield Metric(f"{seen}write_{suffix}", source, "write", field, SUM, side)
        yield Metric(f"{seen}read_l2_package_to_queue_time", source, "read", TO_QUEUE, AVERAGE, side)
        yield Metric(f"{seen}read_l2_rcv_package_from_queue_time", source, "read", FROM_QUEUE, AVERAGE, side)
        # OAP sums up the sizes that the client of a pod's arrow sees, whatever the name says.
        yield from _http(seen, source, side, SUM if is_of_pods and side == "client" else AVERAGE)
        yield from _satisfaction(seen, source, side)
        if not is_of_pods:
            yield Metric(f"{seen}http_success_cpm", source, "http", "*", COUNT, side, only_successes=True)
    if not is_of_pods:
        yield Metric(f"{prefix}client_http_call_duration", source, "http", "latency", SUM, "client")
