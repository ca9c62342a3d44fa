"""The live tail: what is stored is seen at once, and no client can hold up the store."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rover.backend import Backend, BackendOptions, Store
from rover.backend.api import live
from tests.backend.conftest import records
from tests.backend.rows import row, traffic
from tests.stage.deadline import wait_until


class Listener:
    """One client of the stream, read in a thread of its own until it ends."""

    def __init__(self, base_url: httpx.URL, query: str = "") -> None:
        self.events: list[tuple[str, Any]] = []
        self.beats = 0
        self.has_ended = False
        self._connection = http.client.HTTPConnection(base_url.host, base_url.port or 80, timeout=30)
        self._connection.request("GET", f"/api/exchanges/stream{query}")
        self.response = self._connection.getresponse()
        # The first line comes when the tail has taken the client in.
        assert self.response.readline() == b"retry: 2000\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def exchanges(self) -> list[str]:
        """Ids seen so far."""
        return [data["id"] for name, data in self.events if name == "exchange"]

    def skipped(self) -> int:
        """How many records it was told it missed."""
        return sum(data["count"] for name, data in self.events if name == "skipped")

    def close(self) -> None:
        """Go away without a word."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._connection.close()

    def _read(self) -> None:
        name = ""
        try:
            while line := self.response.readline().decode():
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))
                elif line == ":\n":
                    self.beats += 1
        except (http.client.HTTPException, OSError, ValueError):
            pass
        self.has_ended = True


@pytest.fixture
def listen(client: httpx.Client) -> Iterator[Callable[..., Listener]]:
    """Opens clients of the stream and closes them."""
    opened: list[Listener] = []

    def open_listener(query: str = "") -> Listener:
        opened.append(Listener(client.base_url, query))
        return opened[-1]

    yield open_listener
    for listener in opened:
        listener.close()


def test_exchanges_arrive_as_they_are_stored(listen: Callable[..., Listener], put: Callable[..., None]) -> None:
    """Whole, in the order in which they were stored, within a second, two on a busy machine."""
    listener = listen()
    assert listener.response.headers["content-type"].startswith("text/event-stream")
    assert listener.response.headers["cache-control"] == "no-store"
    rows = list(traffic(20, time.time_ns()))
    began = time.monotonic()
    put(*rows[:5])
    wait_until(lambda: len(listener.events) == 5, "five exchanges arrive")
    assert time.monotonic() - began < 2
    put(*rows[5:])
    wait_until(lambda: len(listener.events) == 20, "all exchanges arrive")
    assert [data for _, data in listener.events] == records(rows)


def test_a_filter_holds_for_the_tail_too(listen: Callable[..., Listener], put: Callable[..., None]) -> None:
    """The same words as in the list."""
    listener = listen("?service=cart&status=5xx&path=/api/*")
    wanted = row(1_800_000_000_000_000_000, 1, service="cart", status=503, path="/api/x\0y\u2028")
    put(
        row(1_800_000_000_000_000_000, 2, service="cart", status=200, path="/api/x"),
        row(1_800_000_000_000_000_000, 3, service="other", status=503, path="/api/x"),
        wanted,
        row(1_800_000_000_000_000_000, 4, service="cart", status=503, path="/x"),
    )
    put(row(1_800_000_000_000_000_000, 5, service="cart", status=500, path="/api/end"))
    wait_until(lambda: len(listener.events) == 2, "the last exchange arrives")
    assert listener.events[0] == ("exchange", json.loads(wanted[17]))


@pytest.mark.parametrize("query", ["", "?side=server"])
def test_more_than_a_client_can_take_is_skipped_and_told(
    listen: Callable[..., Listener], put: Callable[..., None], query: str
) -> None:
    """The newest are shown; seen and skipped add up to what was stored. With a filter that all pass, too."""
    listener = listen(query)
    rows = list(traffic(4000, time.time_ns()))
    put(*rows)
    wait_until(lambda: len(listener.exchanges()) + listener.skipped() == 4000, "every record is accounted for")
    assert listener.exchanges()[-1] == rows[-1][0]
    assert listener.skipped() >= 4000 - 3 * live.WAITING


def test_a_client_that_does_not_read_holds_nothing_up(
    client: httpx.Client, listen: Callable[..., Listener], put: Callable[..., None]
) -> None:
    """Its socket fills; the store goes on, and the other client sees everything."""
    stuck = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.sendall(b"GET /api/exchanges/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert stuck.recv(20).startswith(b"HTTP/1.1 200")
    listener = listen()
    for part in range(20):
        put(*traffic(1000, time.time_ns(), seed=part))
    last = row(time.time_ns(), 999_999)
    put(last)
    wait_until(lambda: last[0] in listener.exchanges(), "the other client sees the last record")
    assert client.get("/api/node").json()["store"]["lost"] == {}
    stuck.close()


def test_clients_are_limited_and_their_places_become_free(
    client: httpx.Client, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs memory; the one too many is told, and may come when another has gone."""
    monkeypatch.setattr(live, "CLIENTS", 2)
    first, _ = listen(), listen()
    refused = client.get("/api/exchanges/stream")
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "too_many_clients"
    first.close()

    def is_admitted() -> bool:
        with client.stream("GET", "/api/exchanges/stream") as response:
            return response.status_code == 200

    wait_until(is_admitted, "the place of the client that has gone is free")


def test_a_quiet_stream_beats(listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a client that is gone is noticed, and proxies keep the connection."""
    monkeypatch.setattr(live, "BEAT_S", 0.05)
    listener = listen()
    wait_until(lambda: listener.beats >= 2, "beats arrive")
    assert listener.events == []


def test_the_end_of_the_backend_ends_the_streams_at_once(options: BackendOptions, store: Store, page: Any) -> None:
    """A page that is open must not keep rover from stopping, and sees all that was stored before."""
    backend = Backend(options, store, dict, page)
    listener = Listener(httpx.URL(backend.start()))
    began = time.monotonic()
    backend.stop()
    wait_until(lambda: listener.has_ended, "the stream ends")
    assert time.monotonic() - began < 2
    listener.close()
