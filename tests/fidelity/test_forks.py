"""Five thousand processes in ten seconds, half of them excluded, while a shell forks on its own."""

import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.fidelity.messages import request
from tests.fidelity.test_churn import GROWTH_BYTES, settled
from tests.stage.bpf import entries_of, has_bpftool
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port, wait_listening
from tests.stage.rover import Rover, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAMS = Path(__file__).parent / "programs"
EACH = 2500
"""Children of each of two pools."""
CHILDREN = 8
SECONDS = 10.0
SHELL = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done"


def ask(port: int, count: int) -> None:
    """`count` requests with a path each, spread over SECONDS, each on a connection of its own."""
    begin = time.monotonic()
    for number in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(request("GET", f"/{number}"))
            while connection.recv(4096):
                pass
        due = begin + number * SECONDS / count
        wait_until(lambda due=due: time.monotonic() >= due, "the rate")


@pytest.fixture
def pools(tmp_path, program):
    """Two executables that are alike but for their names."""
    kept, hidden = tmp_path / "kept", tmp_path / "hidden"
    subprocess.run([program("gcc"), "-O1", "-o", kept, PROGRAMS / "pool.c"], check=True, timeout=60)
    shutil.copy(kept, hidden)
    return kept, hidden


def test_of_five_thousand_children_the_watched_half_is_told_and_the_excluded_half_never(pools):
    """Each request by its path, from the server's end and from the client's; the excluded pool's by the client alone.
    Afterwards maps and memory are as before."""
    if not has_bpftool():
        pytest.skip("bpftool is not installed")
    ports = {pool.name: free_port() for pool in pools}
    filters = [word for port in ports.values() for word in ("--port", str(port))]
    with Rover("--exclude-exe", "*/hidden", *filters) as rover:
        before, memory = entries_of(rover.pid), rover.resident_bytes()
        servers = [subprocess.Popen([pool, str(ports[pool.name]), str(EACH), str(CHILDREN)]) for pool in pools]
        shell = subprocess.Popen(["/bin/sh", "-c", SHELL])
        for port in ports.values():
            wait_listening(port)
        clients = [threading.Thread(target=ask, args=(port, EACH)) for port in ports.values()]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        for each in (*servers, shell):
            assert each.wait(30) == 0
        settled(rover, before)
        assert rover.resident_bytes() - memory < 2 * GROWTH_BYTES
        expected = Counter(f"/{number}" for number in range(EACH))
        for name, side in (("kept", "server"), ("kept", "client"), ("hidden", "client")):
            rover.wait_for(lambda name=name, side=side: len(rover.records_of(ports[name], side)) >= EACH, 20)
            assert Counter(record["path"] for record in rover.records_of(ports[name], side)) == expected, (name, side)
        ledger = rover.stop()
        assert rover.records_of(ports["hidden"], "server") == []
    assert unexplained(ledger) == 0, ledger
