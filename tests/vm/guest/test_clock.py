"""The wall clock is stepped while HTTP flows: by an hour forward, by two back.

Durations are of the clock since boot and do not notice. A record has the time that the wall clock says when it is made.
On another machine than a guest (VM_GUEST=/tmp) the clock stays where it is, and all else is tested."""

import http.client
import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.stage.rover import Record, Rover, unexplained
from tests.stage.wall_clock import Moment, WallClock, now

pytestmark = pytest.mark.skipif(
    os.environ.get("ROVER_KERNEL_ATTACH", "tracepoint") != "tracepoint", reason="clocks are the same in every mode"
)

HOUR_S, HOUR_NS, MINUTE_NS, SECOND_NS = 3600, 3600 * 10**9, 60 * 10**9, 10**9
SECONDS = 60
"""Deadlines are long: an emulated kernel is slow."""
PHASE_NS = 8 * SECOND_NS
"""From a step to the next."""
LATE_NS = 2 * SECOND_NS
"""A record is made so long after its end at most, by a look at the clocks that is so old at most."""
APART_NS = 50_000_000
"""Two clocks are not read at once: the thread may be stopped in between."""
SIDES = ("server", "client")


@dataclass
class Asked:
    """One exchange, as the client saw it."""

    path: str
    began: Moment
    ended: Moment


class Server:
    """Answers at once, but for `/held…`, which waits until `release` is set."""

    def __init__(self) -> None:
        held, release = threading.Event(), threading.Event()

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.startswith("/held"):
                    held.set()
                    release.wait(SECONDS)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                return

        self.held, self.release = held, release
        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Answering)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hold(self) -> None:
        """From now on `/held…` waits."""
        self.held.clear()
        self.release.clear()

    def ask(self, path: str, connection: http.client.HTTPConnection | None = None) -> Asked:
        """One exchange, over a connection of its own unless one is given."""
        used = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        began = now()
        used.request("GET", path)
        used.getresponse().read()
        ended = now()
        if connection is None:
            used.close()
        return Asked(path, began, ended)

    def close(self) -> None:
        """End it."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with WallClock() as stepped:
        yield stepped


class Flow:
    """Exchanges one after the other until the end, every fifth on a new connection."""

    def __init__(self, server: Server) -> None:
        self.asked: list[Asked] = []
        self._server, self._end = server, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Flow":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(SECONDS)

    def _run(self) -> None:
        for round_ in itertools.count():
            connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=SECONDS)
            for number in range(5):
                self.asked.append(self._server.ask(f"/{round_}-{number}", connection))
                if self._end.wait(0.02):
                    break
            connection.close()
            if self._end.is_set():
                return

    def go_on(self) -> None:
        """Wait until it has flowed for a phase."""
        until_ns, least = now().boot_ns + PHASE_NS, len(self.asked) + 10
        wait_until(lambda: now().boot_ns > until_ns and len(self.asked) > least, "exchanges of a phase", SECONDS)


def across(server: Server, clock: WallClock, seconds: int, path: str) -> Asked:
    """An exchange whose response comes after a step that comes after its request."""
    found: list[Asked] = []
    server.hold()
    asking = threading.Thread(target=lambda: found.append(server.ask(path)))
    asking.start()
    assert server.held.wait(SECONDS)
    clock.step(seconds)
    server.release.set()
    asking.join(SECONDS)
    return found[0]


def wall_ns(record: dict[str, Any]) -> int:
    """Unix time of a record's start."""
    whole, _, fraction = record["time"].rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * SECOND_NS + int(fraction.ljust(9, "0"))


def test_a_step_of_the_clock_loses_doubles_and_stretches_nothing(server: Server, clock: WallClock) -> None:
    """Both ends of exchanges before, amid and after each step."""
    held = []
    with Rover("--port", str(server.port)) as rover:
        with Flow(server) as flow:
            flow.go_on()
            for number, seconds in enumerate((HOUR_S, -2 * HOUR_S)):
                held.append(across(server, clock, seconds, f"/held-{number}"))
                flow.go_on()
        asked = {each.path: each for each in flow.asked + held}
        rover.wait_for(lambda: all(len(rover.records_of(server.port, side)) >= len(asked) for side in SIDES), SECONDS)
        ledger = rover.stop(SECONDS)
    assert (unexplained(ledger), ledger["ring_full"], ledger["in_flight"]) == (0, 0, 0), ledger
    assert len({record["id"] for record in rover.records}) == len(rover.records)
    for side in SIDES:
        records = rover.records_of(server.port, side)
        assert Counter(record["path"] for record in records) == Counter(asked.keys())
        for record in records:
            is_timed_by_the_clock_since_boot(record, asked[record["path"]])
        certain = [offset for record in records if (offset := is_told_by_the_wall_clock(record, clock)) is not None]
        told = Counter(certain)
        assert min(told[offset] for _, offset in clock.steps) >= 10, told


def is_timed_by_the_clock_since_boot(record: Record, truth: Asked) -> None:
    """Asserts that the record lies within the call. A server's write may return after the client has read."""
    late_ns = SECOND_NS if record["side"] == "server" else 0
    took_ns = record["duration_ns"]
    assert took_ns == record["end_ns"] - record["start_ns"]
    assert truth.began.boot_ns <= record["start_ns"] <= record["end_ns"] <= truth.ended.boot_ns + late_ns, record
    assert 0 <= record["first_byte_ns"] <= took_ns, record
    offsets = [offset for _, offset in record["timeline"]]
    assert all(-SECOND_NS < offset < took_ns + SECOND_NS for offset in offsets), record
    for direction in ("read", "write"):
        figures = record["kernel"][direction].items()
        assert all(value < SECONDS * SECOND_NS for name, value in figures if name.endswith("_ns") and value is not None)


def is_told_by_the_wall_clock(record: Record, clock: WallClock) -> int | None:
    """Asserts that the wall clock has said this at about that time; what it was ahead, unless a step was near."""
    ahead_ns = wall_ns(record) - record["start_ns"]
    possible = clock.offsets(record["end_ns"] - LATE_NS, record["end_ns"] + LATE_NS)
    assert any(abs(ahead_ns - offset) < APART_NS for offset in possible), (record["time"], record["path"], possible)
    return possible[0] if len(possible) == 1 else None


COUNT = 40


class Place:
    """`rover up` of which only the server's exchanges are told."""

    def __init__(self, folder: Path, port: int) -> None:
        self.http, self.file = free_port(), folder / "rover.yaml"
        tree = {
            "backend": {
                "http": {"address": f"127.0.0.1:{self.http}"},
                "grpc": {"address": f"127.0.0.1:{free_port()}"},
                "store": {"path": str(folder / "db" / "rover.db")},
            },
            "kubernetes": {"enabled": "off"},
            "watch": {"ports": [port]},
        }
        self.file.write_text(json.dumps(tree))  # JSON is YAML

    def get(self, operation: str, **query: Any) -> Any:
        """What the API answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=SECONDS)
        connection.request("GET", f"/api/{operation}?{urlencode(query)}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return json.loads(body)

    def exchanges(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All pages of the server's side; a page may be empty and have a next one."""
        found, more = [], {}
        while True:
            page = self.get("exchanges", path=path, side="server", limit=500, **query, **more)
            found += page["exchanges"]
            if page.get("next") is None:
                return found
            more = {"before": page["next"]}


def span(first: Moment, last: Moment) -> dict[str, int]:
    """As a query has it."""
    return {"from": first.wall_ns - APART_NS, "to": last.wall_ns + APART_NS}


def test_the_backend_finds_exchanges_under_the_time_that_they_had(
    server: Server, clock: WallClock, tmp_path: Path
) -> None:
    """Metrics of each minute are those of the exchanges that are stored under it."""
    place, phases = Place(tmp_path, server.port), []
    first = now()
    around = {"from": first.wall_ns - 3 * HOUR_NS, "to": first.wall_ns + 3 * HOUR_NS}
    with Running("up", "-c", str(place.file)) as rover:
        for number, seconds in enumerate((0, HOUR_S, -2 * HOUR_S)):
            if seconds:
                clock.step(seconds)
            # Told by the clock as it was at rover's last look; the next one is by the clock as it is.
            server.ask(f"/first-{number}")
            wait_until(lambda path=f"/first-{number}": place.exchanges(path, **around), "a record", SECONDS)
            asked = [server.ask(f"/phase-{number}/{each}") for each in range(COUNT)]
            path, when = f"/phase-{number}/*", span(asked[0].began, asked[-1].ended)
            wait_until(lambda path=path: len(place.exchanges(path, **around)) >= COUNT, "all records", SECONDS)
            phases.append((path, when, {each.path: each for each in asked}))
        recent = [record["path"] for record in place.exchanges("/phase-*")]
        for path, when, truths in phases:
            found = place.exchanges(path, **when)
            assert Counter(record["path"] for record in found) == Counter(truths.keys()), path
            for record in found:
                truth = truths[record["path"]]
                assert truth.began.wall_ns - APART_NS <= wall_ns(record) <= truth.ended.wall_ns + APART_NS
                assert 0 < record["duration_ns"] <= truth.ended.boot_ns - truth.began.boot_ns + SECOND_NS
        all_of_them = place.exchanges("*", **around)
        assert len(all_of_them) == 3 * (COUNT + 1)
        ahead_ns = now().wall_ns + HOUR_NS
        # The first one after the step back may be told by the clock as it was: two hours ahead, so in no figures.
        counted = [each for each in all_of_them if each["path"] != "/first-2" or wall_ns(each) < ahead_ns]
        minutes_count_each_once(place, counted, around)
        code, _ = rover.stop()
    assert code == 0, rover.said
    assert "Traceback" not in rover.said
    ledger = json.loads(rover.errors[-1])
    assert (unexplained(ledger), ledger["in_flight"]) == (0, 0), ledger
    if len({offset // HOUR_NS for _, offset in clock.steps}) == 3:
        # Not what the wall clock has still to come to.
        assert Counter(recent) == Counter(phases[2][2].keys())


def minutes_count_each_once(place: Place, records: list[dict[str, Any]], around: dict[str, int]) -> None:
    """Asserts it, minute by minute, for the hours around each record."""
    (service,) = place.get("services", **around)["services"]
    assert service["calls"] == len(records)
    of_minutes = Counter(wall_ns(record) // MINUTE_NS for record in records)
    told: dict[int, int] = {}
    for hour in {minute // 30 for minute in of_minutes}:
        from_ns = hour * 30 * MINUTE_NS
        series = place.get(
            f"services/{quote(service['name'], safe='')}/series", **{"from": from_ns, "to": from_ns + 30 * MINUTE_NS}
        )
        assert series["span"]["bar_s"] * SECOND_NS == MINUTE_NS
        told |= {hour * 30 + number: calls for number, calls in enumerate(series["calls"]) if calls}
    assert told == of_minutes
