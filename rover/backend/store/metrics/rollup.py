"""Rows of minutes become packs of every length of step: once a minute, in a transaction of its own.

What comes later for a minute that is packed is a row again until the next time.
"""

from __future__ import annotations

import sqlite3

from rover.backend.store.metrics.kinds import MINUTE_S, STEPS_S
from rover.backend.store.metrics.packs import Told, add, packed_until, rows_told

SETTLED_S = 10
"""A minute that is over for so long is packed: most of its records have come by then."""


def roll(connection: sqlite3.Connection, now_s: float, minutes: int = 1) -> bool:
    """Pack the oldest minute that is due, or so many, inside the caller's transaction; returns whether one was."""
    until_s = packed_until(connection)
    settled_s = int(now_s - SETTLED_S) // MINUTE_S * MINUTE_S
    if until_s >= settled_s:
        return False
    sql = "SELECT DISTINCT start_s FROM metric WHERE step_s = ? AND start_s < ? ORDER BY start_s LIMIT ?"
    starts = [int(start_s) for (start_s,) in connection.execute(sql, (MINUTE_S, settled_s, minutes))]
    told: list[Told] = [row for start_s in starts for row in rows_told(connection, MINUTE_S, start_s)]
    add(connection, told, STEPS_S)
    for start_s in starts:
        connection.execute("DELETE FROM metric WHERE step_s = ? AND start_s = ?", (MINUTE_S, start_s))
    # Those that came late are the oldest, so the last one tells how far it is.
    done_s = starts[-1] + MINUTE_S if starts else settled_s
    connection.execute("REPLACE INTO rolled VALUES (?, ?)", (MINUTE_S, max(until_s, done_s)))
    return True
