"""An OAP that only records: what it was called with, message by message."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Any, Self

import grpc

from tests.wire import messages


class Recorder:
    """A grpcio server on a free port of 127.0.0.1. A context manager.

    `knows_processes`: serve EBPFProcessService too. `is_rover`: announce a backend of rover's own. `failing`: so many
    streams end with UNAVAILABLE after their first message. `token`: asked of every call. `credentials`: speak TLS.
    `raw`: the messages as bytes.
    """

    def __init__(
        self,
        *,
        knows_processes: bool = True,
        is_rover: bool = False,
        failing: int = 0,
        token: str | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.streams: list[list[Any]] = []
        self.raw: list[bytes] = []
        self.reports: list[Any] = []
        self._is_rover, self._failing, self._token = is_rover, failing, token
        self._lock = Lock()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._serve("EBPFAccessLogService", collect=grpc.stream_unary_rpc_method_handler(self._collect, bytes))
        if knows_processes:
            report = grpc.unary_unary_rpc_method_handler(self._report, bytes)
            self._serve("EBPFProcessService", reportProcesses=report)
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.address = f"127.0.0.1:{port}"

    @property
    def messages(self) -> list[Any]:
        """All messages, in the order of the streams."""
        return [message for stream in self.streams for message in stream]

    def _serve(self, service: str, **methods: grpc.RpcMethodHandler) -> None:
        handler = grpc.method_handlers_generic_handler(f"{messages.PACKAGE}.{service}", methods)
        self._server.add_generic_rpc_handlers((handler,))

    def _check(self, context: grpc.ServicerContext) -> None:
        given = dict(context.invocation_metadata()).get("authentication")
        if self._token is not None and given != self._token:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "")

    def _collect(self, stream: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._check(context)
        received: list[Any] = []
        with self._lock:
            self.streams.append(received)
            fails, self._failing = self._failing > 0, self._failing - 1
        for data in stream:
            self.raw.append(data)
            received.append(messages.read("AccessLog", data))
            if fails:
                context.abort(grpc.StatusCode.UNAVAILABLE, "as told")
        return b""

    def _report(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        self._check(context)
        self.reports.append(messages.read("ProcessReports", data))
        if self._is_rover:
            context.send_initial_metadata((("rover-backend", "1"),))
        return b""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait(10)
