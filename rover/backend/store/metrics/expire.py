"""What is too old goes: each length of step has its own age."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S

TOLD_AT_ONCE = 20_000


def expire(connection: sqlite3.Connection, now_s: float, keep_s: Mapping[int, int]) -> bool:
    """Remove the oldest step of each length that is older than `keep_s` says, and once these are gone the entities
    that are told by none, inside the caller's transaction; returns whether anything was removed."""
    has_removed = False
    for step_s in STEPS_S:
        age_s = keep_s[max(shorter_s for shorter_s in keep_s if shorter_s <= step_s)]
        sql = "SELECT start_s FROM pack WHERE step_s = ? ORDER BY start_s LIMIT 1"
        found = connection.execute(sql, (step_s,)).fetchone()
        if found and found[0] + step_s <= now_s - age_s:
            connection.execute("DELETE FROM pack WHERE step_s = ? AND start_s = ?", (step_s, found[0]))
            has_removed = True
    connection.execute("DELETE FROM sampled WHERE start_s < ?", (int(now_s) - keep_s[MINUTE_S],))
    told = "SELECT id FROM told WHERE id < ? ORDER BY id LIMIT ?"
    # Ids begin with their time; what is that old is out of time if it comes again.
    before = int(max(0, now_s - keep_s[MINUTE_S]) * 10**9).to_bytes(8, "big")
    removed = connection.execute(f"DELETE FROM told WHERE id IN ({told})", (before, TOLD_AT_ONCE))  # noqa: S608
    has_removed |= removed.rowcount > 0
    if not has_removed:
        before_s = (int(now_s) - max(keep_s.values()) - DAY_S) // HOUR_S * HOUR_S
        has_removed = connection.execute("DELETE FROM entity WHERE last_s < ?", (before_s,)).rowcount > 0
    return has_removed
