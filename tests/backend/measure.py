"""Figures of the backend on this machine: `python -m tests.backend.measure [ROWS]` (default one million, two minutes).

Writes ROWS rows into a new store in a temporary directory, then asks each operation several times over HTTP. Prints the
writer's rows per second and CPU per row, bytes per row, the latency of each query and the resident memory.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from rover.backend import Backend, BackendOptions, Store, open_store
from rover.backend.api.node import resident_bytes
from tests.backend.rows import traffic

PART = 20_000
SPAN_NS = 14 * 60 * 10**9
TIMES = 9


class Query(NamedTuple):
    """A name for the table, and what is asked."""

    name: str
    path: str


QUERIES = (
    Query("services", "/api/services"),
    Query("endpoints of a service", "/api/services/cart/endpoints"),
    Query("newest 100", "/api/exchanges"),
    Query("newest 500", "/api/exchanges?limit=500"),
    Query("by service", "/api/exchanges?service=cart"),
    Query("by service, none", "/api/exchanges?service=nobody"),
    Query("by status 5xx", "/api/exchanges?status=5xx"),
    Query("by service and status 5xx", "/api/exchanges?service=cart&status=5xx"),
    Query("by status 418, none", "/api/exchanges?status=418"),
    Query("slower than 100 ms, few", "/api/exchanges?slower=100ms"),
    Query("by path, none: reads all", "/api/exchanges?path=/nothing/*"),
    Query("by path of many stars, none", "/api/exchanges?path=*a*a*a*a*a*a*a*b*"),
    Query("node", "/api/node"),
)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    rows = int(arguments[0]) if arguments else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        options = BackendOptions(Path(folder) / "rover.db", retention_bytes=64 << 30, http_address="127.0.0.1:0")
        store = open_store(options)
        fill(store, rows)
        print(f"store            {store.facts().used_bytes / rows:8.0f} bytes/row")
        store.close()
        # A fresh start: what was needed for filling is not in the way of what is measured.
        backend = Backend(options, open_store(options), dict)
        ask(backend.start())
        backend.stop()


def fill(store: Store, rows: int) -> None:
    """Write the rows and print what that took, without what making them took."""
    wall_s = cpu_s = 0.0
    start_ns, step_ns = time.time_ns() - SPAN_NS, SPAN_NS // rows
    for done in range(0, rows, PART):
        part = list(traffic(min(PART, rows - done), start_ns + done * step_ns, step_ns, seed=done))
        wall, cpu = time.perf_counter(), time.process_time()
        while part:
            part = part[store.put(part) :]
        store.flush(60)
        wall_s += time.perf_counter() - wall
        cpu_s += time.process_time() - cpu
    print(f"writer           {rows / wall_s:8.0f} rows/s")
    print(f"writer           {cpu_s / rows * 1e6:8.1f} µs CPU/row")


def ask(base: str) -> None:
    """Ask each query and print its latency: the first time, the median, the longest."""
    print(f"{'':28}   first  median  longest ms")
    with httpx.Client(base_url=base, timeout=60) as client:
        client.get("/openapi.json")
        for query in QUERIES:
            taken_ms = []
            for _ in range(TIMES):
                began = time.perf_counter()
                client.get(query.path).raise_for_status()
                taken_ms.append((time.perf_counter() - began) * 1000)
            print(f"{query.name:28}{taken_ms[0]:8.1f}{statistics.median(taken_ms):8.1f}{max(taken_ms):9.1f}")
    print(f"this process     {(resident_bytes() or 0) / (1 << 20):8.1f} MB, the client and its rows included")


if __name__ == "__main__":
    main(sys.argv[1:])
