"""How long the API takes to answer each page with many exchanges stored while more are written.

`python -m bench.queries [--rows 1000000] [--rate 5000] [--times 40] [--folder DIR] [--only TEXT]`: fills a store in DIR
(a temporary folder, removed at the end, if none is given; one that is filled already is used again) with ROWS exchanges
of a day of 40 services with 25 endpoints each, starts the backend over it in a process of its own, to which another
sends RATE records a second, and asks what each page asks, or what has TEXT in its name, TIMES times. Prints the median
and the 95th percentile of each question in ms, and what was sent and stored meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.filling import fill, store_path
from rover.cli.serving import Serving
from rover.config import load

WRITERS = 2
"""One gets 3500 messages a second out of Python's gRPC."""


class Question(NamedTuple):
    """What a page asks."""

    name: str
    path: str
    span_s: int | None = 900


QUESTIONS = (
    Question("services: list", "/api/services"),
    Question("services: list, a day", "/api/services", 86_400),
    Question("service: endpoints", "/api/services/service-07/endpoints"),
    Question("service: endpoints, 3 h", "/api/services/service-07/endpoints", 10_800),
    Question("service: endpoints, 6 h", "/api/services/service-07/endpoints", 21_600),
    Question("service: endpoints, a day", "/api/services/service-07/endpoints", 86_400),
    Question("service: series", "/api/services/service-07/series"),
    Question("service: series, a day", "/api/services/service-07/series", 86_400),
    Question("service: instances", "/api/services/service-07/instances"),
    Question("service: latest 8", "/api/exchanges?service=service-07&side=server&limit=8"),
    Question("endpoint: series", "/api/services/service-07/series?endpoint=GET:/a/e3"),
    Question("endpoint: latest 8", "/api/exchanges?service=service-07&side=server&method=GET&path=/a/e3&limit=8"),
    Question("endpoint with ids: latest 8", "/api/exchanges?service=service-07&method=GET&path=/u/*/e4&limit=8"),
    Question("topology", "/api/topology"),
    Question("topology, a day", "/api/topology", 86_400),
    Question("topology: around one", "/api/topology?around=service-07"),
    Question("exchanges: newest 100", "/api/exchanges"),
    Question("exchanges: of a service", "/api/exchanges?service=service-07", 86_400),
    Question("exchanges: 5xx", "/api/exchanges?status=5xx", 86_400),
    Question("exchanges: 5xx of a service", "/api/exchanges?status=5xx&service=service-07", 86_400),
    Question("exchanges: slower than 1 s", "/api/exchanges?slower=1s", 86_400),
    Question("exchanges: slow of a service", "/api/exchanges?slower=1s&service=service-07", 86_400),
    Question("exchanges: a path", "/api/exchanges?path=/a/e3", 86_400),
    Question("exchanges: a path, none", "/api/exchanges?path=/nothing"),
    Question("exchanges: a path, none, a day", "/api/exchanges?path=/nothing", 86_400),
    Question("exchanges: a status, none, a day", "/api/exchanges?status=418", 86_400),
    Question("exchanges: slower, none, a day", "/api/exchanges?slower=100s", 86_400),
    Question("exchanges: page 50", "/api/exchanges?before={middle}", 86_400),
    Question("exchange", "/api/exchanges/{id}", None),
    Question("exchange: the other end", "/api/exchanges/{id}/partner", None),
    Question("node", "/api/node", None),
)


def main(arguments: list[str]) -> None:
    """Fill, serve, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="", help="questions whose name has this in it")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve(given.folder)
        return
    with tempfile.TemporaryDirectory(prefix="rover-bench-") as temporary:
        folder = given.folder or Path(temporary)
        if not store_path(folder).exists():
            fill(folder, given.rows)
        with _process("bench.queries", "--serve", "--folder", str(folder)) as server:
            url, address = json.loads(_said(server))
            with ExitStack() as stack:
                rate = str(given.rate // WRITERS)
                writers = [stack.enter_context(_process("bench.writing", address, rate)) for _ in range(WRITERS)]
                try:
                    ask(url, given.times, given.only)
                finally:
                    sent = sum(int(_ended(writer)) for writer in writers)
                    print(f"sent meanwhile: {sent}/s of {given.rate}; stored: {_ended(server)}")


def _process(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _ended(process: subprocess.Popen[str]) -> str:
    """What a process says at the end of its standard input."""
    assert process.stdin is not None
    process.stdin.close()
    return _said(process)


def serve(folder: Path) -> None:
    """The backend as `rover backend` runs it, until standard input ends; tells what was stored."""
    anywhere = {
        "ROVER_BACKEND_STORE_PATH": str(store_path(folder)),
        "ROVER_BACKEND_STORE_RETENTION_BYTES": "1024 GiB",
        "ROVER_BACKEND_STORE_RETENTION_HOURS": "48",
        "ROVER_BACKEND_GRPC_ADDRESS": "127.0.0.1:0",
        "ROVER_BACKEND_HTTP_ADDRESS": "127.0.0.1:0",
    }
    serving = Serving(load(None, anywhere).config, dict)
    url, address = serving.start()
    print(json.dumps([url.rstrip("/"), address]), flush=True)
    began = time.monotonic()
    sys.stdin.read()
    with httpx.Client(base_url=url) as client:
        stored = client.get("/api/node").json()["store"]
    print(f"{stored['stored'] / (time.monotonic() - began):.0f}/s, lost {stored['lost'] or 'none'}")
    serving.stop()


def ask(base: str, times: int, only: str) -> None:
    """Print the latency of each question."""
    print(f"{'ms':34}{'median':>9}{'p95':>9}{'longest':>9}{'bytes':>10}")
    with httpx.Client(base_url=base, timeout=60) as client:
        time.sleep(2)  # The writer is in its stride.
        for question in (each for each in QUESTIONS if only in each.name):
            taken_ms = []
            for _ in range(times):
                path = _filled(client, question)
                began = time.perf_counter()
                answer = client.get(path)
                taken_ms.append((time.perf_counter() - began) * 1000)
                if answer.status_code != 200:
                    break
            taken_ms.sort()
            p95 = taken_ms[max(0, -(-len(taken_ms) * 95 // 100) - 1)]
            said = "" if answer.status_code == 200 else f"  {answer.status_code} {answer.text[:80]}"
            print(
                f"{question.name:34}{statistics.median(taken_ms):9.1f}{p95:9.1f}{taken_ms[-1]:9.1f}"
                f"{len(answer.content):10}{said}",
                flush=True,
            )


def _filled(client: httpx.Client, question: Question) -> str:
    """The address of a question as of now."""
    path = question.path
    if "{" in path:
        span = f"from={time.time_ns() - 20 * 3600 * 10**9}&to={time.time_ns() - 2 * 3600 * 10**9}"
        found = client.get(f"/api/exchanges?{span}&side=client&limit=20").json()["exchanges"]
        path = path.replace("{id}", found[-1]["id"]).replace("{middle}", found[-1]["id"])
    if question.span_s is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}from={time.time_ns() - question.span_s * 10**9}"


if __name__ == "__main__":
    main(sys.argv[1:])
