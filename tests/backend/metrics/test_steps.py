"""Minutes, hours and days: rolled up, read together, removed by age; time is an argument."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rover.backend.metrics.read import told_by_step, told_of_span
from rover.backend.store.file import StoreFile
from rover.backend.store.metrics import MetricBook, expire, roll
from rover.backend.store.metrics.entities import BOUNDS
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, OTHER, STEPS_S, Kind
from tests.backend.rows import record

DAY = 20_000 * DAY_S
"""Start of a day."""
KEEP_S = {MINUTE_S: DAY_S, HOUR_S: 30 * DAY_S, DAY_S: 400 * DAY_S}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database of its own."""
    file = StoreFile(tmp_path / "rover.db")
    opened = file.connect()
    yield opened
    opened.close()
    file.unlock()


def told(time_s: int, **fields: object) -> tuple[int, str]:
    """A call at a time."""
    return time_s * 10**9, json.dumps(record(time_s * 10**9, **fields))


def calls(connection: sqlite3.Connection, start_s: int, end_s: int, step_s: int | None = None) -> int:
    """Calls of all services in a span."""
    if step_s is None:
        told = told_of_span(connection, Kind.SERVICE, start_s, end_s)
    else:
        told = told_by_step(connection, Kind.SERVICE, start_s, end_s, step_s)
    found = told.total()
    return found.calls if found else 0


def roll_all(connection: sqlite3.Connection, now_s: int) -> None:
    """Until nothing is due."""
    for _ in range(5000):
        if not roll(connection, now_s):
            return
    raise AssertionError("it goes on for ever")


def test_a_call_counts_once_at_every_step_however_late(connection: sqlite3.Connection) -> None:
    """Rolled up or not, and in any mixture of both."""
    book = MetricBook(connection, 40 * DAY_S)
    now_s = DAY + 30 * HOUR_S + 600
    times = [DAY + n * 1700 for n in range(64)]
    book.add((told(time_s) for time_s in times[::2]), now_s)
    roll_all(connection, now_s - 5 * HOUR_S)
    book.add((told(time_s) for time_s in times[1::2]), now_s)
    for at_s in (now_s - 5 * HOUR_S, now_s, now_s + 3 * DAY_S):
        roll_all(connection, at_s)
        for start_s, end_s in ((DAY, DAY + 2 * DAY_S), (DAY + 1700, DAY + 1760), (DAY + 900, DAY + 30 * HOUR_S + 60)):
            first_s, last_s = start_s // 60 * 60, -(-end_s // 60) * 60
            expected = sum(first_s <= time_s // 60 * 60 < last_s for time_s in times)
            assert calls(connection, first_s, last_s) == expected, (at_s, start_s, end_s)
        for step_s in STEPS_S:
            assert calls(connection, DAY, DAY + 2 * DAY_S, step_s) == len(times), (at_s, step_s)


def test_where_minutes_are_gone_whole_hours_stand_in(connection: sqlite3.Connection) -> None:
    """And days where hours are."""
    book = MetricBook(connection, 40 * DAY_S)
    book.add([told(DAY + 100), told(DAY + 3500), told(DAY + 5 * HOUR_S)], DAY + 6 * HOUR_S)
    now_s = DAY + 3 * DAY_S
    roll_all(connection, now_s)
    while expire(connection, now_s, KEEP_S):
        pass
    assert calls(connection, DAY + 600, DAY + 1200) == 2
    assert calls(connection, DAY + 600, DAY + 6 * HOUR_S) == 3
    now_s = DAY + 50 * DAY_S
    while expire(connection, now_s, KEEP_S):
        pass
    assert calls(connection, DAY + 600, DAY + 1200) == 3
    assert connection.execute("SELECT count(*) FROM pack WHERE step_s < ?", (DAY_S,)).fetchone()[0] == 0
    while expire(connection, DAY + 500 * DAY_S, KEEP_S):
        pass
    assert calls(connection, DAY, DAY + DAY_S) == 0
    assert connection.execute("SELECT count(*) FROM entity").fetchone()[0] == 0


def test_names_are_bounded_and_nothing_is_lost(connection: sqlite3.Connection) -> None:
    """What is beyond the bound shares `(other)`; the next hour has room again; a restart does not give more."""
    bound = BOUNDS[Kind.ENDPOINT]

    def count_endpoints() -> int:
        sql = "SELECT count(*) FROM entity WHERE kind = ? AND name <> ?"
        return int(connection.execute(sql, (Kind.ENDPOINT, OTHER)).fetchone()[0])

    def attack(book: MetricBook, time_s: int, name: str) -> None:
        book.add((told(time_s, path=f"/{name}{n}x") for n in range(bound + 50)), time_s)

    book = MetricBook(connection, DAY_S)
    attack(book, DAY, "a")
    assert (count_endpoints(), book.overflowed) == (bound, 50)
    attack(MetricBook(connection, DAY_S), DAY + 60, "b")
    assert count_endpoints() == bound
    attack(book, DAY + HOUR_S, "c")
    assert count_endpoints() == 2 * bound
    found = told_of_span(connection, Kind.ENDPOINT, DAY, DAY + 2 * HOUR_S).total()
    assert found is not None
    assert found.calls == 3 * (bound + 50)


def test_what_is_too_old_or_too_far_ahead_is_counted_as_such(connection: sqlite3.Connection) -> None:
    """A clock that is wrong fills no table."""
    book = MetricBook(connection, DAY_S)
    book.add([told(DAY - DAY_S - 60), told(DAY + 3600), told(DAY)], DAY)
    assert (book.out_of_time, calls(connection, 0, DAY + DAY_S)) == (2, 1)
