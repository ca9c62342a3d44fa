"""A backend that is away under traffic: what the spool has room for is delivered, of the rest the oldest goes.

`make soak` takes ten minutes at 5 000 exchanges a second (SOAK_AWAY_SECONDS, SOAK_AWAY_RATE); among the slow tests it
is some seconds, at whatever the machine holds."""

import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import ROVER, Running
from tests.reporters.place import Place
from tests.stage.deadline import wait_until
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import unexplained

SECONDS = float(os.environ.get("SOAK_AWAY_SECONDS", "10"))
RATE = int(os.environ.get("SOAK_AWAY_RATE", "5000"))
CONNECTIONS = 10
STORED_PER_SECOND = 1000
"""What a backend stores at the least, on a machine with other things to do."""

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(8 * SECONDS + 300)]


class Away:
    """A daemon whose backend is not there, and how both fare."""

    def __init__(self, folder: Path, port: int, **spool: str) -> None:
        self.place = Place(folder, [port])
        tree = self.place.tree
        tree["reporters"]["oap"]["spool"] |= spool
        tree["watch"]["side"] = "server"
        tree["kernel"] = {"ring_bytes": "64 MiB"}
        tree["backend"]["store"]["retention_bytes"] = "16 GiB"
        tree["backend"]["http"]["address"] = "127.0.0.1:0"
        # Kept until the backend starts, which may be ten minutes later: others look for free ports, too.
        self._port = socket.socket()
        self._port.bind(("127.0.0.1", self.place.grpc))
        tree["reporters"]["file"] = {"path": str(folder / "records.json"), "rotate_bytes": "16 GiB"}
        self.file = folder / "records.json"

    def backend(self) -> Running:
        """Not started yet; its port is free now."""
        self._port.close()
        return self.place.backend()

    def told(self, daemon: Running) -> dict[str, Any]:
        """The stream's account, which balances at every moment."""
        asked = subprocess.run(
            [ROVER, "status", "--json"], env=daemon.environment, check=True, stdout=subprocess.PIPE, timeout=30
        )
        (stream,) = json.loads(asked.stdout)["stats"]["oap"]
        places = ("acked", "withheld", "held_records", "spooled_records")
        known = sum(stream[place] for place in places) + sum(stream["dropped"].values())
        assert stream["pushed"] + stream["recovered"] == known, stream
        return stream

    def ids_of_the_file(self) -> list[str]:
        """Ids of all records: a second output wrote them to a file."""
        with self.file.open() as lines:
            return [json.loads(line)["id"] for line in lines]

    def stored(self) -> list[str]:
        """Ids of the records in the backend's database."""
        with sqlite3.connect(f"file:{self.place.database}?mode=ro", uri=True, timeout=10) as database:
            return [found for (found,) in database.execute("SELECT lower(hex(id)) FROM exchange ORDER BY id")]


def load(port: int, count: int, rate: int, program: Callable[[str], str]) -> float:
    """So many requests, all of them answered; how many a second there were."""
    began = time.monotonic()
    words = ["--h1", f"-n{count}", f"-c{CONNECTIONS}", f"--rps={max(1, rate // CONNECTIONS)}"]
    command = [program("h2load"), *words, f"http://127.0.0.1:{port}/small"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=4 * SECONDS + 60)
    assert f"{count} succeeded, 0 failed" in done.stdout, done.stdout
    return count / (time.monotonic() - began)


def reported(away: Away, daemon: Running, count: int) -> dict[str, Any]:
    """The account once all exchanges are in it."""

    def is_all_in() -> bool:
        stream = away.told(daemon)
        return bool(stream["pushed"] - stream["activities"] >= count)

    wait_until(is_all_in, "all records", 60)
    return away.told(daemon)


def delivered(away: Away, daemon: Running, count: int) -> dict[str, Any]:
    """The account once the backend has answered for everything."""

    def is_all_out() -> bool:
        stream = away.told(daemon)
        time.sleep(0.5)  # each question is a program of its own
        return not stream["held_records"] and not stream["spooled_records"]

    wait_until(is_all_out, "an empty spool", 60 + count / STORED_PER_SECOND)
    return away.told(daemon)


def settled(daemon: Running, backend: Running) -> None:
    """Both end well, and every event is accounted for."""
    assert daemon.stop()[0] == 0
    assert backend.stop()[0] == 0
    assert "Traceback" not in daemon.said + backend.said
    ledger = json.loads(daemon.errors[-1])
    assert (unexplained(ledger), ledger["ring_full"], ledger["unconfirmed"]) == (0, 0, 0), ledger


def test_within_the_bound_nothing_is_lost(tmp_path: Path, program, capsys) -> None:
    """Each exchange is in the backend, once."""
    count = int(SECONDS * RATE)
    with Nginx(tmp_path / "nginx", free_port(), has_log=False) as nginx:
        away = Away(tmp_path, nginx.port)
        with away.place.daemon() as daemon:
            rate = load(nginx.port, count, RATE, program)
            waiting = reported(away, daemon, count)
            began = time.monotonic()
            with away.backend() as backend:
                stream = delivered(away, daemon, count)
                took = time.monotonic() - began
                assert stream["dropped"] == {}
                settled(daemon, backend)
        stored = away.stored()
        assert stored == sorted(away.ids_of_the_file())
        assert len(stored) == len(set(stored)) == count
    with capsys.disabled():
        size = waiting["spooled_bytes"] / max(1, waiting["spooled_records"])
        print(
            f"\naway: {count} exchanges at {rate:.0f}/s, {waiting['spooled_bytes'] >> 20} MiB on disk "
            f"({size:.0f} B each), all in the backend after {took:.1f} s"
        )


def test_above_the_bound_the_oldest_go_and_are_counted(tmp_path: Path, program) -> None:
    """What is in the backend are the last ones, without a hole; what is missing is `spool_full`."""
    count = 30_000
    with Nginx(tmp_path / "nginx", free_port(), has_log=False) as nginx:
        away = Away(tmp_path, nginx.port, bytes="1 MiB")
        with away.place.daemon() as daemon:
            load(nginx.port, count, RATE, program)
            reported(away, daemon, count)
            with away.backend() as backend:
                stream = delivered(away, daemon, count)
                settled(daemon, backend)
        of_the_file, stored = sorted(away.ids_of_the_file()), away.stored()
        assert len(of_the_file) == count
        assert 0 < len(stored) < count
        assert stored == of_the_file[-len(stored) :]
        # Openings and ends of connections are in the account as well.
        assert set(stream["dropped"]) == {"spool_full"}
        assert 0 <= stream["dropped"]["spool_full"] - (count - len(stored)) <= stream["activities"]
        assert stream["pushed"] == count + stream["activities"]
