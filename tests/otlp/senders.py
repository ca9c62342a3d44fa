"""rover's sender of spans as a process, and the receiver that official protocol files make of grpcio."""

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.stage.ports import free_port
from tests.wire.programs import programs_folder


@dataclass(frozen=True)
class Sent:
    """What the sender had to send, as JSON records, and what it says became of it."""

    records: list[dict[str, Any]]
    stats: dict[str, Any]

    @property
    def is_balanced(self) -> bool:
        stats = self.stats
        return bool(stats["pushed"] == stats["acked"] + sum(stats["dropped"].values()) + stats["held_records"])


def send_spans(endpoints: list[str], count: int, *, rate: float | None = None, **options: Any) -> Sent:
    """Send `count` of the fixed records, and wait until all is settled."""
    text = json.dumps({"endpoints": endpoints, "node_name": "node-a", **options})
    command = [str(programs_folder() / "send_spans"), text, str(count), *([] if rate is None else [str(rate)])]
    done = subprocess.run(command, check=True, timeout=90, capture_output=True, text=True)
    *records, stats = (json.loads(line) for line in done.stdout.splitlines())
    return Sent(records, stats)


Answer = Callable[[int, grpc.ServicerContext], ExportTraceServiceResponse]


class Receiver:
    """A collector's services over grpcio. A context manager.

    `answer`: called with the number of the request of traces and its context; may abort. What it took is in
    `traces` and `metrics`, the metadata of each call in `metadata`."""

    def __init__(self, answer: Answer | None = None, credentials: grpc.ServerCredentials | None = None) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.metadata: list[dict[str, str]] = []
        self._answer = answer
        self._calls = 0
        self._server = grpc.server(ThreadPoolExecutor(4))
        for name, method in (("trace.v1.TraceService", self._trace), ("metrics.v1.MetricsService", self._metric)):
            export = {"Export": grpc.unary_unary_rpc_method_handler(method)}
            handler = grpc.method_handlers_generic_handler(f"opentelemetry.proto.collector.{name}", export)
            self._server.add_generic_rpc_handlers((handler,))
        address = f"127.0.0.1:{free_port()}"
        if credentials is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, credentials)
        self.endpoint = f"{'http' if credentials is None else 'https'}://{address}"

    def _trace(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
        self._calls += 1
        answer = ExportTraceServiceResponse() if self._answer is None else self._answer(self._calls, context)
        request = ExportTraceServiceRequest.FromString(data)
        assert request.SerializeToString(deterministic=True), "an empty request"
        self.traces.append(request)
        return answer.SerializeToString()

    def _metric(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
        self.metrics.append(ExportMetricsServiceRequest.FromString(data))
        return ExportMetricsServiceResponse().SerializeToString()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait(10)

    def spans(self) -> list[Any]:
        """All spans, in the order in which they came."""
        scopes = (scope for request in self.traces for found in request.resource_spans for scope in found.scope_spans)
        return [span for scope in scopes for span in scope.spans]
