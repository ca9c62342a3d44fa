"""Docker's API on a real socket, answered by a server of ours in docker's words."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from rover.identity import Container
from rover.identity.runtimes import Runtimes

KNOWN, BROKEN, EMPTY = "ab" * 32, "cd" * 32, "ef" * 32
INSPECTED = {
    "Id": KNOWN,
    "Name": "/shop-cart-1",
    "Config": {"Image": "shop/cart:1", "Labels": {"com.docker.compose.service": "cart"}},
}
ANSWERS = {KNOWN: json.dumps(INSPECTED), BROKEN: "no JSON", EMPTY: "[]"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = ANSWERS.get(self.path.split("/")[2])
        raw = (body or '{"message": "No such container"}').encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["docker.sock", "podman.sock"])
def runtimes(request, tmp_path: Path) -> Iterator[Runtimes]:
    path = tmp_path / request.param
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        asking = Runtimes([path, tmp_path / "none.sock"])
        asking.start()
        yield asking
        asking.stop()
        server.shutdown()
        thread.join()


def answer_of(runtimes: Runtimes, container_id: str) -> Container | None:
    deadline = time.monotonic() + 10
    while not (answer := runtimes.ask(container_id, None))[1]:
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.002)
    return answer[0]


def test_a_container_is_described(runtimes):
    found = answer_of(runtimes, KNOWN)
    assert (found.name, found.image, found.labels["com.docker.compose.service"]) == (
        "shop-cart-1",
        "shop/cart:1",
        "cart",
    )
    assert found.runtime in ("docker", "podman")
    assert runtimes.take_changes() == {KNOWN}
    assert runtimes.take_changes() == frozenset()


def test_a_container_of_another_runtime_is_no_error(runtimes, caplog):
    assert answer_of(runtimes, "12" * 32) is None
    assert caplog.text == ""


def test_an_answer_that_makes_no_sense_is_logged_and_final(runtimes, caplog):
    assert answer_of(runtimes, BROKEN) is None
    assert answer_of(runtimes, EMPTY) is None
    assert caplog.text.count("does not answer") == 1


def test_without_a_runtime_every_answer_is_final(tmp_path):
    asking = Runtimes([tmp_path / "docker.sock"])
    asking.start()
    assert asking.ask(KNOWN, "docker") == (None, True)
    asking.stop()
