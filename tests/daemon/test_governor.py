"""Limits: what is given up above them and in which order, with a real load; and that it is taken back."""

import json
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from rover.config.tree import Limits
from rover.daemon.governor import DOWN_AFTER, UP_AFTER, Ladder, Look
from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.rover import unexplained


def moves(ladder: Ladder, looks: list[float], limits: Limits) -> list[int]:
    """The level after each look at this share of CPU."""
    levels = []
    for share in looks:
        ladder.judge(Look(share, 0, None), limits)
        levels.append(ladder.level)
    return levels


def test_it_gives_up_after_two_looks_and_takes_back_after_eight() -> None:
    """In between, at a load near the limit, nothing moves."""
    limits = Limits(cpu_percent=10)
    ladder = Ladder()
    assert moves(ladder, [11] * UP_AFTER, limits) == [0, 1]
    assert moves(ladder, [9] * 30, limits) == [1] * 30
    assert moves(ladder, [11, 9] * 10, limits) == [1] * 20
    assert moves(ladder, [5] * DOWN_AFTER, limits) == [1] * (DOWN_AFTER - 1) + [0]
    assert moves(ladder, [99] * 20, limits)[-1] == 3
    assert ladder.changes == 5


def test_the_worst_of_all_limits_counts_and_an_unknown_cost_does_not() -> None:
    """Without statistics of the kernel what applications pay is not known."""
    limits = Limits(cpu_percent=10, memory_bytes=100, application_percent=1)
    ladder = Ladder()
    reasons = [ladder.judge(Look(1, 250, None), limits) for _ in range(UP_AFTER)]
    assert reasons[-1] == "limits.memory_bytes is at 250% of its limit"
    reasons = [ladder.judge(Look(1, 1, 3.0), limits) for _ in range(UP_AFTER)]
    assert reasons[-1] == "limits.application_percent is at 300% of its limit"
    assert ladder.judge(Look(99, 999, 9.0), Limits()) is None


class Answering(BaseHTTPRequestHandler):
    """Chunked, as bodies of unknown length are."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def load(count: int) -> Iterator[tuple[int, threading.Event]]:
    """Clients that ask a server again and again, each time on a new connection, until told to pause."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, is_over, is_on = server.server_address[1], threading.Event(), threading.Event()
    is_on.set()

    def ask() -> None:
        while not is_over.is_set():
            if is_on.wait(0.1):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read()

    clients = [threading.Thread(target=ask) for _ in range(count)]
    for client in clients:
        client.start()
    try:
        yield port, is_on
    finally:
        is_over.set()
        for client in clients:
            client.join()
        server.shutdown()
        server.server_close()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_above_its_limit_it_gives_up_step_by_step_and_comes_back(tmp_path: Path) -> None:
    """A limit of a tenth of a percent under load; then, reloaded, one that is high. The ledger balances."""
    file, told = tmp_path / "rover.yaml", tmp_path / "records.json"
    with load(2) as (port, is_on):
        settings = {
            "reporters": {"oap": {"addresses": []}, "file": {"path": str(told)}},
            "watch": {"ports": [port]},
            "kubernetes": {"enabled": "off"},
        }
        file.write_text(yaml.safe_dump(settings | {"limits": {"cpu_percent": 0.1}}))
        with Running("daemon", "-c", str(file)) as daemon:
            for level, what in ((1, "bodies"), (2, "bodies and layers"), (3, "bodies, layers and 7 of 8 connections")):
                wait_until(lambda: f"level={level} given_up={what}: limits.cpu_percent is at" in daemon.said, what, 30)  # noqa: B023
            wait_until(lambda: _sampled(told), "records while sampled", 20)
            file.write_text(yaml.safe_dump(settings | {"limits": {"cpu_percent": 1000}}))
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "changed=limits.cpu_percent" in daemon.said, "the reload")
            is_on.clear()
            wait_until(lambda: re.search(r"level=0 given_up=nothing", daemon.said), "all taken back", 80)
            before = len(told.read_text().splitlines())
            is_on.set()
            wait_until(lambda: len(told.read_text().splitlines()) > before + 20, "records after it", 20)
            is_on.clear()
            code, _ = daemon.stop()
        assert code == 0
    ledger = json.loads(daemon.errors[-1])
    assert unexplained(ledger) == 0, ledger
    assert ledger["not_sampled"] > 0
    records = [json.loads(line) for line in told.read_text().splitlines()]
    first, last = records[0], records[-1]
    assert "reduced" not in first["flags"]
    assert "reduced" not in last["flags"]
    reduced = [record for record in records if "reduced" in record["flags"]]
    assert reduced
    layered = [record for record in reduced if (record["kernel"].get("write") or {}).get("packets") is not None]
    assert len(layered) < len(reduced), "no record of the time without layers"
    assert last["kernel"]["write"].keys() >= first["kernel"]["write"].keys() - {"interface"}, "layers are back"


def _sampled(told: Path) -> bool:
    return sum('"reduced"' in line for line in told.read_text().splitlines()[-40:]) > 20
