"""The backend as a whole: start, errors at start, pumps, stop."""

import dataclasses
import errno
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from rover.backend import Backend, BackendError, BackendOptions, Row, Store, open_store
from rover.backend import pump as pumps
from tests.backend.rows import row, traffic
from tests.stage.deadline import wait_until

MINUTE_NS = 60 * 10**9


class Source:
    """A row source as the native ones are: waits for rows, hands out at most so many."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.waiting = deque(rows or [])
        self.failures = 0
        self._changed = threading.Condition()

    def add(self, rows: list[Row]) -> None:
        """Rows that come in later."""
        with self._changed:
            self.waiting.extend(rows)
            self._changed.notify_all()

    def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
        """As the contract has it."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the engine has a bad day")
        with self._changed:
            self._changed.wait_for(lambda: self.waiting, timeout_ms / 1000)
            return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]


def test_rows_of_a_source_can_be_asked_for_within_a_second(options: BackendOptions, store: Store) -> None:
    """From hand-over to page: what the person at the terminal waits for; twice that on a busy machine."""
    source = Source()
    backend = Backend(options, store, dict)
    backend.add_source(source)
    base = backend.start()
    new = row(time.time_ns(), 7)
    began = time.monotonic()
    source.add([new])
    wait_until(lambda: httpx.get(f"{base}api/exchanges/{new[0]}").status_code == 200, "the exchange is there")
    assert time.monotonic() - began < 2
    backend.stop()


def test_stop_stores_what_the_sources_still_hold(options: BackendOptions, store: Store) -> None:
    """The engine has flushed into its row queue: nothing of it is lost."""
    sources = [Source(list(traffic(12_000, n * 10**15, seed=n))) for n in range(2)]
    backend = Backend(options, store, dict)
    backend.start()
    for source in sources:
        backend.add_source(source)
    backend.stop()
    assert not any(source.waiting for source in sources)
    assert store.facts().stored == 24_000
    again = open_store(options)
    assert again.exchange(next(traffic(1, 0, seed=0))[0]) is not None
    again.close()


def test_stop_waits_for_a_source_that_takes_its_time(options: BackendOptions, store: Store) -> None:
    """The store is closed only when the pumps have ended: none of the rows meets a closed store."""

    class Slow(Source):
        def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
            threading.Event().wait(0.02)
            return super().take_rows(timeout_ms, 100)

    backend = Backend(options, store, dict)
    backend.start()
    backend.add_source(Slow(list(traffic(4000, 10**15))))
    backend.stop(20)
    assert store.facts().stored == 4000
    assert store.facts().lost == {}


def test_a_source_that_fails_is_told_once_and_tried_again(
    options: BackendOptions, store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other source is not disturbed."""
    monkeypatch.setattr(pumps, "AFTER_ERROR_S", 0.01)
    bad, good = Source(list(traffic(10, 10**15))), Source(list(traffic(10, 2 * 10**15)))
    bad.failures = 5
    backend = Backend(options, store, dict)
    backend.add_source(bad)
    backend.add_source(good)
    with caplog.at_level(logging.ERROR):
        wait_until(lambda: store.facts().stored == 20, "the rows of both are stored")
    assert caplog.text.count("pump=failing") == 1
    backend.stop()


def test_stop_does_not_wait_for_a_source_that_never_ends(options: BackendOptions, store: Store) -> None:
    """A source that still produces is cut off, in time."""

    class Endless:
        number = 0

        def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
            self.number += 1
            return [row(10**15 + self.number, self.number)]

    backend = Backend(options, store, dict)
    backend.start()
    backend.add_source(Endless())
    wait_until(lambda: store.facts().stored > 0, "rows come in")
    began = time.monotonic()
    backend.stop(timeout_s=1)
    assert time.monotonic() - began < 6


def test_stop_may_be_called_twice_and_before_start(options: BackendOptions, store: Store) -> None:
    """Whatever went wrong before, the end is the same."""
    backend = Backend(options, store, dict)
    backend.stop()
    backend.stop()


def test_a_port_in_use_is_named(options: BackendOptions, store: Store) -> None:
    """One line with the address; the command line adds the file and the key."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        backend = Backend(dataclasses.replace(options, http_address=address), store, dict)
        with pytest.raises(BackendError) as caught:
            backend.start()
    assert caught.value.key == "backend.http.address"
    assert str(caught.value) == f"{address} is in use by another process"
    backend.stop()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1", "is not HOST:PORT"),
        ("127.0.0.1:", "is not HOST:PORT"),
        (":8080", "is not HOST:PORT"),
        ("127.0.0.1:http", "is not HOST:PORT"),
        ("127.0.0.1:70000", "is not HOST:PORT"),
        ("no.such.host.invalid:1", "beyond loopback"),
        ("192.0.2.7:8080", "beyond loopback"),
        ("0.0.0.0:8080", "beyond loopback"),
        ("[::]:8080", "beyond loopback"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(
    options: BackendOptions, store: Store, address: str, message: str
) -> None:
    """Beyond loopback only with a token: without one it does not even bind."""
    backend = Backend(dataclasses.replace(options, http_address=address), store, dict)
    with pytest.raises(BackendError) as caught:
        backend.start()
    assert message in str(caught.value)
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.key == ("backend.http.token_file" if "loopback" in message else "backend.http.address")
    backend.stop()


@pytest.mark.parametrize("content", [None, b"", b"short\n", b"\n" + b"x" * 40, b"\xff\xfe" * 20])
def test_a_token_file_that_cannot_be_used_is_named(
    options: BackendOptions, store: Store, tmp_path: Path, content: bytes | None
) -> None:
    """Its content is not."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    backend = Backend(dataclasses.replace(options, http_token_file=file), store, dict)
    with pytest.raises(BackendError) as caught:
        backend.start()
    assert caught.value.key == "backend.http.token_file"
    assert str(file) in str(caught.value)
    assert "short" not in str(caught.value)
    backend.stop()


def test_an_address_that_is_not_of_this_machine_is_named(options: BackendOptions, store: Store, tmp_path: Path) -> None:
    """With a token, binding is tried, and what the kernel says is told."""
    (tmp_path / "token").write_text("x" * 32)
    wanted = dataclasses.replace(options, http_address="192.0.2.7:8080", http_token_file=tmp_path / "token")
    backend = Backend(wanted, store, dict)
    with pytest.raises(BackendError, match=r"192\.0\.2\.7:8080 cannot be used: Cannot assign"):
        backend.start()
    backend.stop()


def test_it_listens_on_ipv6_loopback(options: BackendOptions, store: Store) -> None:
    """The address that is told can be used as it is."""
    backend = Backend(dataclasses.replace(options, http_address="[::1]:0"), store, dict)
    base = backend.start()
    assert base.startswith("http://[::1]:")
    assert httpx.get(f"{base}api/services").status_code == 200
    backend.stop()


def test_hostile_bytes_on_the_port_change_nothing(client: httpx.Client) -> None:
    """Not HTTP, a head without end, a connection that is cut: the next client is served."""
    where = (client.base_url.host, client.base_url.port or 80)
    for payload in (
        b"\x16\x03\x01" + bytes(range(256)),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
        b"GET / HTT",
        b"\r\n" * 9000,
    ):
        with socket.create_connection(where, timeout=5) as raw:
            answer = b""
            try:
                raw.sendall(payload)
                raw.shutdown(socket.SHUT_WR)
                while part := raw.recv(65536):
                    answer += part
            except OSError as error:
                # The server may refuse while the client still writes: then whatever comes next tells it.
                if error.errno not in {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}:
                    raise
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert client.get("/api/services").status_code == 200


def test_the_store_can_be_written_while_it_is_read(
    client: httpx.Client, store: Store, put: Callable[..., None]
) -> None:
    """Queries in several threads beside a busy writer: all answered, nothing lost."""
    rows = list(traffic(20_000, time.time_ns() - 5 * MINUTE_NS, step_ns=10_000))
    answers: list[int] = []

    def read() -> None:
        with httpx.Client(base_url=client.base_url, timeout=30) as own:
            for path in ("/api/services", "/api/exchanges?status=5xx", "/api/services/cart/endpoints", "/api/node") * 5:
                answers.append(own.get(path).status_code)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for start in range(0, len(rows), 1000):
        wait_until(lambda: store.facts().queued < 8000, "there is room", 60)
        assert store.put(rows[start : start + 1000]) == 1000
    for reader in readers:
        reader.join()
    assert store.flush(30)
    assert answers == [200] * 80
    assert store.facts().lost == {}
    assert store.facts().stored == 20_000
