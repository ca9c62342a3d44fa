"""Servers in four languages, each of which logs what it did: that log is the truth for both sides."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage.clients import Visit, visit_with_curl, visit_with_http_client
from tests.stage.deadline import wait_until
from tests.stage.exchange import Exchange
from tests.stage.ports import wait_listening

pytestmark = pytest.mark.root

PROGRAMS = Path(__file__).parent / "programs"

VISITS = [
    Visit("GET", "/plain?a=1&b=2"),
    Visit("HEAD", "/plain"),
    Visit("GET", "/pieces"),
    Visit("GET", "/large"),
    Visit("HEAD", "/large"),
    Visit("GET", "/none"),
    Visit("POST", "/echo", body=b"e" * 10),
    Visit("PUT", "/echo", body=b"e" * 300_000),
    Visit("POST", "/echo", body=b""),
    Visit("GET", "/missing"),
    Visit("GET", "/plain"),
]


@pytest.fixture(scope="module")
def commands(program, go_server):
    """Server name → command line without port and log."""

    def find(name):
        return {
            "go": ([go_server()], []) if name == "go" else None,
            "http.server": ([sys.executable, PROGRAMS / "http_server.py"], []),
            "uvicorn-httptools": ([sys.executable, PROGRAMS / "asgi_app.py"], ["httptools"]),
            "uvicorn-h11": ([sys.executable, PROGRAMS / "asgi_app.py"], ["h11"]),
            "node": ([program("node"), PROGRAMS / "node_server.js"], []) if name == "node" else None,
        }[name]

    return find


@pytest.fixture(params=["http.server", "uvicorn-httptools", "uvicorn-h11", "node", "go"])
def server(request, commands, ports, tmp_path):
    """A running server: its port, and a function that gives the truth once the log has so many lines."""
    before, after = commands(request.param)
    port, log = ports.pop(), tmp_path / "log"
    with running([*before, str(port), log, *after]):
        wait_listening(port)

        def truth(count):
            wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") >= count, f"{count} lines in the log")
            return [told_by_log(json.loads(line)) for line in log.read_text().splitlines()]

        yield port, truth


@contextmanager
def running(command):
    """A process that is ended at the end of the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def told_by_log(line):
    """The exchange of one line."""
    return Exchange(
        line["method"],
        line["target"].partition("?")[0],
        line["status"],
        line["request_body"],
        line["response_body"],
        connection=line["connection"],
    )


def test_every_server_is_told_as_it_logs_itself(judge, server):
    """One kept connection of Python's http.client."""
    port, truth = server
    sizes = visit_with_http_client("127.0.0.1", port, VISITS * 3)
    told = truth(len(VISITS) * 3)
    assert [each.response_body for each in told] == sizes
    judge.require(port, told)


def test_every_server_is_told_as_curl_counted_it(judge, server):
    """curl's count of bytes per URL is a second judge."""
    port, truth = server
    paths = ["/plain", "/pieces", "/large", "/none", "/missing"] * 5
    seen = visit_with_curl([f"http://127.0.0.1:{port}{path}" for path in paths])
    told = truth(len(paths))
    assert [(each.connection, each.status, each.response_body) for each in told] == seen
    judge.require(port, told)


def test_connections_side_by_side_do_not_mix(judge, server):
    """Eight clients at once, each with visits of its own order."""
    port, truth = server
    turns = [VISITS[number:] + VISITS[:number] for number in range(8)]
    clients = [threading.Thread(target=visit_with_http_client, args=("127.0.0.1", port, visits)) for visits in turns]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    judge.require(port, truth(8 * len(VISITS)))
