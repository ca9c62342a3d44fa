"""Connections and processes that come and go by the thousands leave nothing behind in rover or in the kernel."""

import os
import socket
import threading
import time

import pytest

from tests.fidelity.messages import request, response
from tests.stage.bpf import entries_of, has_bpftool
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.stage.rover import Rover, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]

MANY = 10_000
WARM_UP = 2_000
RATE = 1000
GROWTH_BYTES = 8 << 20
"""What an allocator may keep; a table that keeps every connection or process would take several times as much."""
REMAINDER = 50
"""Entries that may stem from whatever else goes on on the machine."""


class Server(threading.Thread):
    """Answers one request on each connection, which the client then closes."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)

    def run(self):
        answer = response(200, body=b"ok")
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(4096):
                    connection.sendall(answer)
                    connection.recv(1)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.listener.close()


def make_connections(port, count):
    """Open, use and close `count` connections, at most RATE in a second."""
    asked = request("GET", "/churn")
    begin = time.monotonic()
    for number in range(count):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(asked)
            assert connection.recv(4096)
        if number % 50 == 0:
            due = begin + number / RATE
            wait_until(lambda due=due: time.monotonic() >= due, "the rate")


def make_processes(count):
    """Run /bin/true `count` times."""
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def settled(rover, before):
    """Entries of rover's maps once they are back to about `before`. Raises TimeoutError when they do not come back."""

    def is_back():
        now = entries_of(rover.pid)
        return all(count <= before.get(name, 0) + REMAINDER for name, count in now.items())

    wait_until(is_back, f"maps as small as before: {before}, now {entries_of(rover.pid)}", 20)


@pytest.mark.parametrize("what", ["connections", "processes"])
def test_ten_thousand_of_them_leave_no_growth(what):
    """Map entries as before, memory within what an allocator keeps, and every exchange told on both sides."""
    if not has_bpftool():
        pytest.skip("bpftool is not installed")
    port = free_port()
    server = Server(port)
    server.start()
    with Rover("--port", str(port)) as rover:

        def churn(count):
            if what == "connections":
                make_connections(port, count)
            else:
                make_processes(count)

        before = entries_of(rover.pid)
        assert before, "bpftool shows no map of rover"
        churn(WARM_UP)
        settled(rover, before)
        memory = rover.resident_bytes()
        churn(MANY)
        settled(rover, before)
        assert rover.resident_bytes() - memory < GROWTH_BYTES
        expected = WARM_UP + MANY if what == "connections" else 0
        for side in ("server", "client"):
            rover.wait_for(lambda side=side: len(rover.records_of(port, side)) >= expected, 20)
            assert len(rover.records_of(port, side)) == expected
        ledger = rover.stop()
    server.stop()
    assert unexplained(ledger) == 0, ledger
