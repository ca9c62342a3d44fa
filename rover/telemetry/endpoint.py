"""The listeners of a daemon: HTTP for Prometheus and probes, a local socket for `rover status`.

h11 over plain sockets, bounded in threads, rate, time and size: it is asked a few times a minute, and a server with an
event loop would cost the daemon 15 MB, Python's own, which loads TLS, 7. `/healthz` and `/readyz` tell a word and need
no token: probes have none."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from socketserver import BaseRequestHandler, BaseServer, TCPServer, ThreadingMixIn, UnixStreamServer
from typing import Any

import h11

from rover.listener import Buckets, has_token, host_of, is_loopback, is_loopback_host
from rover.telemetry.status import SOCKET, Telling, backends

THREADS = 16
"""Most requests at a time; above, the connection is closed."""
RATE = 20.0
"""Requests a second of one address, in the long run."""
BURST = 40
_SILENCE_S = 5.0
"""A client that sends nothing for so long is let go."""
_HEAD_BYTES = 16 << 10
"""Longest head of a request."""
_TEXT = "text/plain; charset=utf-8"
_MORE_HEADERS = {
    401: [("WWW-Authenticate", 'Bearer realm="rover"')],
    405: [("Allow", "GET, HEAD")],
    429: [("Retry-After", "1")],
}

log = logging.getLogger(__name__)


class ListenError(Exception):
    """An address that cannot be used. `str()` is one line; `key` names the key of the configuration."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Endpoint:
    """Serves one daemon's status, from `start` to `stop`."""

    def __init__(self, telling: Telling, folder: Path, address: str | None, token: Callable[[], str | None]) -> None:
        """`folder`: where the local socket goes; `address`: HOST:PORT, None: no HTTP; `token` as it is now,
        which must be there beyond loopback."""
        self._telling = telling
        self._folder = folder
        self._address = address
        self._token = token
        self._servers: list[BaseServer] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> str | None:
        """Listen; the URL of the metrics, if they have one. Raises ListenError."""
        path = self._folder / SOCKET
        public: dict[str, Callable[[], Answer]] = {"/healthz": self._health, "/readyz": self._readiness}
        try:
            path.unlink(missing_ok=True)  # a daemon that was killed left it; the lock says that none runs
            mask = os.umask(0o177)
            try:
                local = _LocalServer(path, {**public, "/metrics": self._metrics, "/status": self._status})
            finally:
                os.umask(mask)
        except OSError as error:
            raise ListenError("daemon.folder", f"{path}: {error.strerror or error}") from error
        self._servers.append(local)
        url = None
        if self._address is not None:
            port = int(self._address.rpartition(":")[2])
            try:
                server = _HttpServer(host_of(self._address), port, public, {"/metrics": self._metrics}, self._token)
            except OSError as error:
                self.stop()
                raise ListenError("metrics.address", f"{self._address}: {_reason(error)}") from error
            self._servers.append(server)
            url = f"http://{self._address.rpartition(':')[0]}:{server.server_address[1]}/metrics"
        for each in self._servers:
            thread = threading.Thread(target=each.serve_forever, args=(0.5,), name="rover-telemetry", daemon=True)
            thread.start()
            self._threads.append(thread)
        return url

    def stop(self) -> None:
        """Listen no more."""
        for each in self._servers:
            if self._threads:
                each.shutdown()
            each.server_close()
        self._servers, self._threads = [], []
        (self._folder / SOCKET).unlink(missing_ok=True)

    def _metrics(self) -> Answer:
        from rover.telemetry.metrics import CONTENT_TYPE, exposition  # 5 MB that a node without Prometheus is spared

        return 200, CONTENT_TYPE, exposition(self._telling.status())

    def _status(self) -> Answer:
        return 200, "application/json", json.dumps(self._telling.status()).encode() + b"\n"

    def _health(self) -> Answer:
        state = self._telling.state()
        return (503 if state == "stalled" else 200), _TEXT, f"{state}\n".encode()

    def _readiness(self) -> Answer:
        state = self._telling.state()
        if state != "ready":
            return 503, _TEXT, f"{state}\n".encode()
        told = [f"backend {where or 'away'}" for where, _ in backends(self._telling.status())]
        return 200, _TEXT, "\n".join([state, *told, ""]).encode()


class _Handler(BaseRequestHandler):
    """One connection: requests without a body, one after the other."""

    request: socket.socket
    server: _Server  # type: ignore[assignment]

    def handle(self) -> None:
        self.request.settimeout(_SILENCE_S)
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        try:
            while (asked := self._next(http)) is not None:
                self._answer(http, asked)
                if http.our_state is h11.MUST_CLOSE:
                    return
                http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                self._send(http, (error.error_status_hint, _TEXT, b"not a request\n"))

    def _next(self, http: h11.Connection) -> h11.Request | None:
        asked = None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(self.request.recv(_HEAD_BYTES))
            elif isinstance(event, h11.Request):
                asked = event
            elif isinstance(event, h11.EndOfMessage):
                return asked
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                return None

    def _answer(self, http: h11.Connection, asked: h11.Request) -> None:
        try:
            found = self._found(asked)
        except Exception:  # one answer fails, not the daemon
            log.exception("a request failed path=%r", asked.target)
            found = 500, _TEXT, b"internal error, see rover's log\n"
        self._send(http, found, is_head=asked.method == b"HEAD")

    def _found(self, asked: h11.Request) -> Answer:
        path, server = asked.target.decode().partition("?")[0], self.server
        headers = {name.decode(): value.decode("latin-1") for name, value in asked.headers}
        if asked.method not in {b"GET", b"HEAD"}:
            return 405, _TEXT, b"GET and HEAD are served\n"
        if not server.buckets.take(server.peer_of(self.client_address)):
            return 429, _TEXT, b"asked too often\n"
        token = server.token()
        if token is None and server.is_checking_host and not is_loopback_host(headers.get("host", "")):
            return 421, _TEXT, b"this address is served under the names of loopback only\n"
        if path in server.public:
            return server.public[path]()
        if path not in server.guarded:
            return 404, _TEXT, b"there are /metrics, /healthz and /readyz\n"
        if token is not None and not has_token(headers.get("authorization", ""), token):
            return 401, _TEXT, b"a token is needed: Authorization: Bearer ...\n"
        return server.guarded[path]()

    def _send(self, http: h11.Connection, answer: Answer, is_head: bool = False) -> None:
        status, kind, body = answer
        headers = [("Server", "rover"), ("Content-Type", kind), ("Content-Length", str(len(body)))]
        headers += [("Cache-Control", "no-store"), *_MORE_HEADERS.get(status, [])]
        said = [http.send(h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase))]
        if not is_head:
            said.append(http.send(h11.Data(data=body)))
        said.append(http.send(h11.EndOfMessage()))
        self.request.sendall(b"".join(part for part in said if part))


class _Server(ThreadingMixIn):
    daemon_threads = True
    public: dict[str, Callable[[], Answer]]
    guarded: dict[str, Callable[[], Answer]]
    token: Callable[[], str | None]
    is_checking_host: bool
    buckets: Buckets
    _room: threading.Semaphore

    @staticmethod
    def peer_of(client_address: Any) -> str:
        """The address that limits are by; those who come by the local socket have one together."""
        return client_address[0] if isinstance(client_address, tuple) else ""

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            request.close()
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client went away", exc_info=True)


class _HttpServer(_Server, TCPServer):
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        host: str,
        port: int,
        public: dict[str, Callable[[], Answer]],
        guarded: dict[str, Callable[[], Answer]],
        token: Callable[[], str | None],
    ) -> None:
        self.public, self.guarded, self.token = public, guarded, token
        self.is_checking_host = is_loopback(host)
        self.buckets, self._room = Buckets(RATE, BURST), threading.Semaphore(THREADS)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = found[0]
        super().__init__(found[4], _Handler)  # type: ignore[arg-type]


class _LocalServer(_Server, UnixStreamServer):
    request_queue_size = 64

    def __init__(self, path: Path, guarded: dict[str, Callable[[], Answer]]) -> None:
        self.public, self.guarded = {}, guarded
        self.token, self.is_checking_host = lambda: None, False  # the folder and the socket are root's alone
        self.buckets, self._room = Buckets(RATE, BURST), threading.Semaphore(THREADS)
        super().__init__(str(path), _Handler)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is in use by another process; metrics.address: null turns metrics off"
    return error.strerror or str(error)
