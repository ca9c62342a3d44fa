"""rover under a handicap: what `rover doctor` finds, what a record of one exchange has, how a start is refused."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.stage.clients import visit_with_curl
from tests.stage.ports import free_port
from tests.stage.rover import EXECUTABLE, WATCH, Record, Rover

KERNEL = 3
"""Exit code: this kernel, or what this process may do, is not enough."""

CPUS = sorted(os.sched_getaffinity(0))

Which = tuple[str, int]
"""Side and number of a record's exchange."""


def found(
    *arguments: str, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """What `rover doctor --json` found, and its exit code."""
    done = subprocess.run(
        [*before, EXECUTABLE, "doctor", "--json", *arguments],
        stdout=subprocess.PIPE,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, json.loads(done.stdout)


def refused(
    *arguments: str, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Start `rover watch`, which must end by itself; its exit code and the one line that it said."""
    done = subprocess.run(
        [*before, EXECUTABLE, *WATCH, "--duration", "1", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert "Traceback" not in done.stderr, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("rover: missing "), lines[0]
    return done.returncode, lines[0]


def why_missing(finding: Mapping[str, Any]) -> dict[str, str]:
    """Hooks that are not attached, and why."""
    return {hook["hook"]: hook["reason"] for hook in finding["hooks"] if not hook["attached"]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # One write: no point of the timeline belongs to a second one.
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A Python server, in this process; its port."""
    with ThreadingHTTPServer(("127.0.0.1", free_port()), _Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        try:
            yield serving.server_port
        finally:
            serving.shutdown()
            thread.join(10)


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """This thread, and whatever it starts meanwhile, runs on one CPU: what one packet leaves there the next one of the
    same end finds."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def two_exchanges(
    *arguments: str, before: Sequence[str] = (), environment: dict[str, str] | None = None
) -> dict[Which, Record]:
    """The records of one `curl` that asks a Python server twice on one connection, with rover as the arguments say."""
    with (
        on_cpu(CPUS[0]),
        server() as port,
        Rover("--port", str(port), *arguments, before=before, environment=environment) as rover,
    ):
        with on_cpu(CPUS[-1]):
            visits = visit_with_curl([f"http://127.0.0.1:{port}/{number}" for number in (1, 2)])
        assert [status for _, status, _ in visits] == [200, 200]
        rover.wait_for(lambda: len(rover.records) >= 4)
        rover.stop()
    found = {(record["side"], int(record["path"][1:])): record for record in rover.records}
    assert sorted(found) == [("client", 1), ("client", 2), ("server", 1), ("server", 2)], rover.errors
    return found


def known(record: Record) -> set[str]:
    """Everything in a record that is not null, by its path; of the timeline the names of its points.

    Not who is at the other end: that process may be decided on before the record or after it.
    """
    names = {f"timeline.{name}" for name, _ in record["timeline"]}
    pending = [(key, value) for key, value in record.items() if key != "timeline"]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{path}.{key}", inner) for key, inner in value.items()]
        elif value is not None:
            names.add(path)
    return {name for name in names if not name.startswith("remote.identity.")}
