"""A file of a version without packs: every call is told once afterwards, too, at every step."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from rover import _engine
from rover.backend.metrics.read import told_by_step, told_of_span
from rover.backend.store.file import StoreFile
from rover.backend.store.metrics import MetricBook, roll
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S, Kind
from rover.backend.store.schema import migrations
from tests.backend.rows import record

DAY = 20_000 * DAY_S
NOW_S = DAY + 30 * HOUR_S + 600
TIMES = [DAY + n * 1700 for n in range(64)]


def test_figures_of_an_earlier_version_are_all_told_once(tmp_path: Path) -> None:
    """Minutes in hours up to one time, hours in days up to another, and rows that are in nothing yet."""
    path = tmp_path / "rover.db"
    make_old(path)
    file = StoreFile(path)
    connection = file.connect()
    rest = connection.execute("SELECT DISTINCT step_s, start_s >= ? FROM metric", (NOW_S - 3 * HOUR_S,)).fetchall()
    assert rest == [(MINUTE_S, 1)]
    for _ in range(2):
        for start_s, end_s in ((DAY, DAY + 2 * DAY_S), (DAY + 1700, DAY + 1760), (DAY + 900, DAY + 29 * HOUR_S + 60)):
            first_s, last_s = start_s // 60 * 60, -(-end_s // 60) * 60
            expected = sum(first_s <= time_s // 60 * 60 < last_s for time_s in TIMES)
            found = told_of_span(connection, Kind.SERVICE, first_s, last_s).total()
            assert (found.calls if found else 0) == expected, (start_s, end_s)
        for step_s in STEPS_S:
            found = told_by_step(connection, Kind.SERVICE, DAY, DAY + 2 * DAY_S, step_s).total()
            assert found is not None
            assert found.calls == len(TIMES), step_s
        while roll(connection, NOW_S):
            pass
    connection.close()
    file.unlock()


def make_old(path: Path) -> None:
    """A store as 0005 left it: rows of minutes, of hours as far as these are rolled up, and of days."""
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.apply(Database(connection, execute_plugins=False), stop_before="0006_packs")
    book = MetricBook(connection, 40 * DAY_S)
    book.add(((time_s * 10**9, json.dumps(record(time_s * 10**9))) for time_s in TIMES), NOW_S)
    in_hours_s, in_days_s = NOW_S - 3 * HOUR_S, DAY + DAY_S
    for step_s, longer_s, until_s in ((MINUTE_S, HOUR_S, in_hours_s), (HOUR_S, DAY_S, in_days_s)):
        sql = "SELECT start_s, kind, owner, entity, figures FROM metric WHERE step_s = ? AND start_s < ?"
        sums: dict[tuple[int, ...], list[bytes]] = {}
        for start_s, *who, figures in connection.execute(sql, (step_s, until_s)):
            sums.setdefault((longer_s, start_s // longer_s * longer_s, *who), []).append(figures)
        added = _engine.add_figures([None] * len(sums), list(sums.values()))
        rows = [(*key, figures) for key, figures in zip(sums, added, strict=True)]
        connection.executemany("INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO rolled VALUES (?, ?)", (step_s, until_s))
    connection.close()
