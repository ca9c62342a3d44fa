"""What the backend has answered is stored, and counts in metrics once, whenever the backend is killed."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rover.backend.metrics.read import told_by_step
from rover.backend.store.metrics.kinds import Kind
from tests.backend.rows import record
from tests.reporters.place import Place, kill
from tests.wire.messages import PACKAGE

AT_ONCE = [("grpc.use_local_subchannel_pool", 1)]
"""A new channel does not wait because one before it could not connect."""
WHOLE_RECORD = b"\xc2\x3e"
"""Field 1000 of a message, a text: a record in rover's own form."""


class Sender:
    """Sends numbered records in streams, and each stream again until it is answered, as a daemon does."""

    def __init__(self, address: str, each: int) -> None:
        self.acknowledged = 0
        self.again = self.misses = 0
        self._address, self._each = address, each
        # Of one minute that is over, so that all are in one place whatever the time is.
        self.minute_s = int(time.time()) // 60 * 60 - 120
        self._is_open = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)

    def ids(self) -> set[str]:
        return {str(self._record(number)["id"]) for number in range(self.acknowledged)}

    def _run(self) -> None:
        """Ends only after an answer: nothing is left of which nobody knows whether it was stored."""
        while not self._end.is_set() or self._is_open:
            self._is_open = True
            try:
                with grpc.insecure_channel(self._address, AT_ONCE) as channel:
                    collect = channel.stream_unary(f"/{PACKAGE}.EBPFAccessLogService/collect")
                    while not self._end.is_set() or self._is_open:
                        self._is_open = True
                        collect(self._stream(), timeout=20)
                        self.acknowledged += self._each
                        self._is_open = False
            except grpc.RpcError:
                self.again += 1
                if self._end.wait(0.02):
                    self.misses += 1
                    if self.misses > 50:  # the test has failed already
                        return

    def _stream(self) -> Iterator[bytes]:
        for number in range(self.acknowledged, self.acknowledged + self._each):
            text = json.dumps(self._record(number)).encode()
            yield WHOLE_RECORD + _varint(len(text)) + text

    def _record(self, number: int) -> dict[str, object]:
        return record(self.minute_s * 10**9 + number * 1000, number)


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low]) if not rest else bytes([low | 128]) + _varint(rest)


def stored(database: Path) -> tuple[set[str], int, int]:
    """Ids of all records, calls of the service in metrics, and records that were left out."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        ids = {found for (found,) in connection.execute("SELECT lower(hex(id)) FROM exchange")}
        (owner,) = connection.execute("SELECT id FROM entity WHERE kind = 1 AND name = 'cart'").fetchone()
        figures = told_by_step(connection, Kind.SERVICE, 0, 1 << 40, 60, owner).total()
        (left_out,) = connection.execute("SELECT coalesce(sum(seen - stored), 0) FROM sampled").fetchone()
    finally:
        connection.close()
    assert figures is not None
    return ids, figures.calls, left_out


@pytest.mark.parametrize(
    ("kills", "rate"),
    [
        (3, 0),
        pytest.param(50, 0, marks=[pytest.mark.slow, pytest.mark.timeout(400)]),
        pytest.param(20, 100, marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
def test_what_was_answered_is_stored_and_counted_once(tmp_path: Path, kills: int, rate: int) -> None:
    """SIGKILL at random moments. With `rate` most records are left out of the store, and count all the same."""
    place = Place(tmp_path, [])
    place.tree["backend"]["store"]["exchanges_per_second"] = rate
    chance = random.Random(kills)
    with Sender(f"127.0.0.1:{place.grpc}", 400 if rate else 40) as sender:
        for _ in range(kills):
            with place.backend() as backend:
                known = sender.acknowledged
                deadline = time.monotonic() + 20
                while sender.acknowledged == known:
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
                time.sleep(chance.uniform(0, 0.3))
                kill(backend)
        with place.backend() as backend:
            known = sender.acknowledged
            while sender.acknowledged == known:
                time.sleep(0.002)
            sender.__exit__()
            assert backend.stop()[0] == 0
    ids, calls, left_out = stored(place.database)
    assert sender.again >= kills
    assert calls == sender.acknowledged == len(ids) + left_out
    assert ids == sender.ids() if not rate else ids < sender.ids()
