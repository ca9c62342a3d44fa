"""Minutes become hours, hours become days: one step at a time, in a transaction of its own.

`rolled.until_s` says how far that is. What is before it is in both; what is behind is in the shorter steps alone, so
whoever reads hours adds the minutes behind it.
"""

from __future__ import annotations

import sqlite3

from rover import _engine
from rover.backend.store import many
from rover.backend.store.metrics.book import load
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S

SETTLED_S = 120
"""A minute that is over for so long is rolled up; what comes later is added to both."""


def roll(connection: sqlite3.Connection, now_s: float) -> bool:
    """Roll up the oldest step that is due, inside the caller's transaction; returns whether there was one."""
    until = dict(connection.execute("SELECT step_s, until_s FROM rolled").fetchall())
    settled_s = int(now_s - SETTLED_S) // MINUTE_S * MINUTE_S
    if _roll_step(connection, MINUTE_S, HOUR_S, until.get(MINUTE_S, 0), settled_s):
        return True
    # An hour is complete when all its minutes are in it.
    return _roll_step(connection, HOUR_S, DAY_S, until.get(HOUR_S, 0), until.get(MINUTE_S, 0) // HOUR_S * HOUR_S)


def _roll_step(connection: sqlite3.Connection, step_s: int, longer_s: int, until_s: int, settled_s: int) -> bool:
    if until_s >= settled_s:
        return False
    sql = "SELECT start_s FROM metric WHERE step_s = ? AND start_s >= ? AND start_s < ? ORDER BY start_s LIMIT 1"
    found = connection.execute(sql, (step_s, until_s, settled_s)).fetchone()
    if found is None:
        _set(connection, step_s, settled_s)
        return True
    start_s = int(found[0])
    sql = "SELECT kind, owner, entity, figures FROM metric WHERE step_s = ? AND start_s = ?"
    rows = connection.execute(sql, (step_s, start_s)).fetchall()
    keys = [(longer_s, start_s // longer_s * longer_s, kind, owner, entity) for kind, owner, entity, _ in rows]
    stored = load(connection, keys)
    sums = _engine.add_figures([stored.get(key) for key in keys], [[figures] for *_, figures in rows])
    many.put(connection, "REPLACE", "metric", [(*key, figures) for key, figures in zip(keys, sums, strict=True)])
    _set(connection, step_s, start_s + step_s)
    return True


def _set(connection: sqlite3.Connection, step_s: int, until_s: int) -> None:
    connection.execute("REPLACE INTO rolled VALUES (?, ?)", (step_s, until_s))
