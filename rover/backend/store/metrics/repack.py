"""Rows of minutes, hours and days as versions before 0006 had them, made packs. For that migration alone.

There, minutes before `rolled.until_s` were part of hours, and hours before theirs of days; there were no other lengths.
"""

from __future__ import annotations

import sqlite3

from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S
from rover.backend.store.metrics.packs import add, rows_told

LATER_S = 1 << 60


def repack(connection: sqlite3.Connection) -> None:
    """All rows that were rolled up, inside the caller's transaction; the others stay rows."""
    until = dict(connection.execute("SELECT step_s, until_s FROM rolled").fetchall())
    for step_s, before_s in ((MINUTE_S, until.get(MINUTE_S, 0)), (HOUR_S, LATER_S), (DAY_S, LATER_S)):
        sql = "SELECT DISTINCT start_s FROM metric WHERE step_s = ? AND start_s < ?"
        for (start_s,) in connection.execute(sql, (step_s, before_s)).fetchall():
            add(connection, rows_told(connection, step_s, start_s), _steps(step_s, start_s, until.get(HOUR_S, 0)))
            connection.execute("DELETE FROM metric WHERE step_s = ? AND start_s = ?", (step_s, start_s))
    connection.execute("DELETE FROM rolled WHERE step_s <> ?", (MINUTE_S,))


def _steps(step_s: int, start_s: int, in_days_s: int) -> tuple[int, ...]:
    """Lengths whose packs have nothing of these rows yet."""
    if step_s == MINUTE_S:
        return MINUTE_S, 600
    if step_s == HOUR_S:
        return (HOUR_S, 21_600) if start_s < in_days_s else (HOUR_S, 21_600, DAY_S)
    return (DAY_S,)
