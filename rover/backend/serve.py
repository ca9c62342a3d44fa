"""The backend as a whole: the HTTP server in a thread, and the pumps that move rows from sources into the store."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from rover.backend.api import Application
from rover.backend.certificate import CERT_KEY, Renewal, certificate_of
from rover.backend.options import BackendError, BackendOptions, NodeFacts, RowSource
from rover.backend.pump import Pump
from rover.backend.store import Store
from rover.listener import is_loopback

log = logging.getLogger(__name__)

ADDRESS_KEY = "backend.http.address"
TOKEN_KEY = "backend.http.token_file"  # noqa: S105
START_S = 10.0
HEAD_BYTES = 16 << 10
"""Longest request head: above the longest parameters allowed, escaped."""
CONCURRENCY = 128
"""Most connections and requests at a time; above, the answer is 503."""
SWITCH_S = 0.0005
"""How long a busy thread keeps the GIL when another one wants it. Measured with the writer beside a spinning thread:
8 000 rows/s at Python's 5 ms, 21 000 rows/s at this."""
TOKEN_LENGTH = 16
"""A shorter token is guessed too easily."""


class Backend:
    """HTTP server and pumps around one store, which it closes at the end."""

    def __init__(
        self,
        options: BackendOptions,
        store: Store,
        node_facts: Callable[[], NodeFacts],
        page: Path | None = None,
    ) -> None:
        """`page` is the folder of the built web page, the one in the package if None."""
        self._options = options
        self._store = store
        self._facts = node_facts
        self._page = page
        self._pumps: list[Pump] = []
        self._application: Application | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._renewal: Renewal | None = None
        self._is_stopped = False

    def add_source(self, source: RowSource, *, stores_first: bool = False) -> None:
        """Pump rows from `source` into the store, in a thread of its own, until `stop`.

        `stores_first`: the source is asked again only when what it gave is stored, as one that answers for it needs."""
        self._pumps.append(Pump(source, self._store, stores_first=stores_first))

    def start(self) -> str:
        """Bind and serve; returns the base URL, ending in a slash.

        Raises BackendError: address in use or not usable, token or certificate missing or not readable."""
        host, port = split_address(self._options.http_address)
        token = read_token(self._options.http_token_file)
        if token is None and not is_loopback(host):
            raise BackendError(
                TOKEN_KEY, f"{ADDRESS_KEY} {self._options.http_address} is beyond loopback: that needs {TOKEN_KEY}"
            )
        certificate = certificate_of(self._options.http_cert_file, self._options.http_key_file)
        listener = listen(host, port)
        self._application = Application(self._options, self._store, self._facts, token, self._page)
        config = uvicorn.Config(
            self._application,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CONCURRENCY,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
            ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
        )
        # The writer needs the GIL back after each statement; beside a busy query that took 5 ms each time.
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http", daemon=True
        )
        self._thread.start()
        self._wait_until_started()
        if certificate is not None:
            self._renewal = Renewal(CERT_KEY, certificate.files, certificate.renew)
            self._renewal.start()
        shown = f"[{host}]" if ":" in host else host
        return f"{'http' if certificate is None else 'https'}://{shown}:{listener.getsockname()[1]}/"

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving, empty the sources into the store, write what is queued and close the store. Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = True
        deadline = time.monotonic() + timeout_s
        if self._renewal is not None:
            self._renewal.stop()
        for pump in self._pumps:
            pump.stop()
        if self._application is not None:
            self._application.close()
        if self._server is not None:
            self._server.should_exit = True
        for pump in self._pumps:
            pump.join(max(0.1, deadline - time.monotonic()))
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))
        self._store.close(max(1.0, deadline - time.monotonic()))

    def _wait_until_started(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise BackendError(ADDRESS_KEY, f"{self._options.http_address}: the HTTP server did not start")
            self._thread.join(0.005)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, brackets of an IPv6 address removed. Raises BackendError."""
    host, separator, port = address.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BackendError(ADDRESS_KEY, f"{address!r} is not HOST:PORT")
    return host, int(port)


def read_token(path: Path | None) -> str | None:
    """The first line of the token file; None if there is no file to read. Raises BackendError."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BackendError(TOKEN_KEY, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(token) < TOKEN_LENGTH:
        raise BackendError(
            TOKEN_KEY, f"{path}: the token has {len(token)} characters, at least {TOKEN_LENGTH} are needed"
        )
    return token


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BackendError that says what is wrong with the address."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BackendError(ADDRESS_KEY, f"{host}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(CONCURRENCY)
    except OSError as error:
        listener.close()
        what = (
            "is in use by another process" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        )
        raise BackendError(ADDRESS_KEY, f"{host}:{port} {what}") from error
    return listener
