"""What the backend is told and what it is fed: options, row shape, row sources, node facts.

Plain types only, so that the command line, the tests and the native modules can share them without importing the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Row = tuple[
    str,  # id: 32 hex digits, sortable by time
    int,  # time_ns: wall clock of the start, Unix nanoseconds
    int | None,  # duration_ns
    int | None,  # first_byte_ns
    str,  # side: "server" or "client"
    str,  # protocol: "HTTP/1.1", …
    str,  # kind: "http", "grpc", "websocket", "tunnel", "sse"
    str | None,  # service of the observed process
    str | None,  # instance of the observed process
    str | None,  # service of the peer
    str | None,  # method
    str | None,  # host
    str | None,  # path
    int | None,  # status
    int | None,  # request bytes on the wire
    int | None,  # response bytes on the wire
    str,  # flags, comma separated
    str,  # the whole record as one line of JSON
    str | None,  # address of the peer
    int,  # the same number at both ends of an exchange, and hardly of any other; 0: not known
]
"""One record as the native side hands it over; the order of the columns is the contract.

With the kind "activity" it is no exchange but what a connection did besides, which counts for metrics. Its id is empty
if it cannot come twice; all columns but id, time_ns, side, kind and record are empty or 0."""

ACTIVITY = "activity"

NodeFacts = Mapping[str, Any]
"""What the daemon tells about itself: `ledger` (causes to counts), `hooks` (list), `cost` (`cpu_percent`, `rss_bytes`,
`bpf_ns_per_exchange` or null), `watched_processes`, `tls` (as `Engine.tls` gives it), `ingest` (counters of
the gRPC services, as `Ingest.stats` gives them); whatever is missing is unknown."""


class RowSource(Protocol):
    """Where rows come from: the engine in process, or the gRPC server."""

    def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
        """Up to `most` rows; waits at most `timeout_ms` for the first. Releases the GIL while it waits."""
        ...


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What the configuration says about the backend; names follow the keys under `backend.`."""

    store_path: Path
    """`backend.store.path`: the SQLite file; its directory is made if missing."""
    retention_hours: float = 24.0
    """`backend.store.retention_hours`: older records go."""
    retention_bytes: int = 1 << 30
    """`backend.store.retention_bytes`: above it the oldest records go."""
    exchanges_per_second: float = 0.0
    """`backend.store.exchanges_per_second`: of more only a sample is stored; 0: all are."""
    hours_days: float = 30.0
    """`backend.metrics.hours_days`: figures by the hour go when they are older; those by the minute go with records."""
    days_days: float = 400.0
    """`backend.metrics.days_days`: figures by the day go when they are older."""
    endpoint_patterns: tuple[str, ...] = ()
    """`backend.endpoints.patterns`: how paths are grouped, before what is grouped by itself."""
    openapi_files: tuple[str, ...] = ()
    """`backend.endpoints.openapi`: `SERVICE=FILE` or `FILE`, after the patterns."""
    learn_after: int = 100
    """`backend.endpoints.learn_after`: segments of which more become one; 0: never."""
    http_address: str = "127.0.0.1:8080"
    """`backend.http.address`: `HOST:PORT`, IPv6 in brackets; port 0 lets the kernel choose."""
    http_token_file: Path | None = None
    """`backend.http.token_file`: its first line is the bearer token; required beyond loopback."""
    http_cert_file: Path | None = None
    """`backend.http.tls.cert_file`: with the key HTTPS is served, and nothing else."""
    http_key_file: Path | None = None
    """`backend.http.tls.key_file`."""


class BackendError(Exception):
    """The backend cannot start. `key` is the configuration key at fault; the text is one line for a person."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
