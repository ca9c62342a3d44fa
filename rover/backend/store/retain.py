"""What is too old or too much goes, oldest first, in steps small enough that the writer is never held up.

Age counts from when a record was written, not from when its exchange began: a stream of three days that ended just now
stays.
Size is that of the pages in use; the write-ahead log comes on top (16 MiB, more while a reader holds it).
"""

from __future__ import annotations

import sqlite3
import time

from rover.backend.options import BackendOptions
from rover.backend.store import many, zones
from rover.backend.store.metrics import expire, roll
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S

BLOCKS_A_STEP = 16
"""Least number of blocks removed in one step."""
STEPS_A_STEP = 16
"""Most minutes of figures removed in one step."""
FIGURES_SHARE = 4
"""Minutes of figures may take one part in so many of the size allowed; above that they go first."""
LEAST_FIGURES_BYTES = 100_000
"""They may take as much in any case."""
MINUTES = "step_s IN (60, 600) AND start_s <= ?"
"""Minutes up to one, and the tens that are not whole without it."""
LATER_S = 1 << 60
RECOUNT_S = 300.0
"""Counting all figures takes a moment, so it is done this seldom, and only while the file is too large."""
LOOSE_PAGES = 8192
"""A file with more free pages than this (64 MiB) is shrunk."""
SHRINK_PAGES = 256


class Retention:
    """Removes through one connection. Belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection, options: BackendOptions) -> None:
        self._connection = connection
        self._most_bytes = options.retention_bytes
        self._age_ns = int(options.retention_hours * HOUR_S * 10**9)
        self._page_bytes = self._pragma("page_size")
        self._keep_s = {
            MINUTE_S: int(options.retention_hours * HOUR_S),
            HOUR_S: int(options.hours_days * DAY_S),
            DAY_S: int(options.days_days * DAY_S),
        }
        self._most_figures_bytes = max(LEAST_FIGURES_BYTES, options.retention_bytes // FIGURES_SHARE)
        self._surplus_bytes = 0
        self._next_count = 0.0

    def used_bytes(self) -> int:
        """Size of the pages in use."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._page_bytes

    def step(self, rows: int = 0, now_ns: int | None = None) -> bool:
        """Remove a little: at least as many records as `rows`, in one transaction. Returns whether anything was
        removed.

        Raises sqlite3.Error with nothing removed."""
        now_ns = time.time_ns() if now_ns is None else now_ns
        run = self._connection.execute
        is_large = self.used_bytes() > self._most_bytes
        run("BEGIN IMMEDIATE")
        try:
            before_ns = now_ns - self._age_ns
            has_removed = self._remove_surplus_metrics(is_large)
            if not has_removed:
                has_removed = self._remove_blocks(before_ns, is_large, rows)
                has_removed |= roll(self._connection, now_ns / 10**9)
                has_removed |= expire(self._connection, now_ns / 10**9, self._keep_s)
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        return has_removed

    def shrink(self) -> bool:
        """Give a few free pages back to the file system if there are very many; returns whether there were."""
        if self._pragma("freelist_count") < LOOSE_PAGES:
            return False
        self._connection.execute(f"PRAGMA incremental_vacuum({SHRINK_PAGES})").fetchall()
        return True

    def _remove_blocks(self, before_ns: int, is_large: bool, rows: int) -> bool:
        ids: list[bytes] = []
        removed, last = 0, 0
        sql = "SELECT first, size, written_ns, ids FROM block ORDER BY first"
        for first, size, written_ns, packed in self._connection.execute(sql):
            is_enough = removed >= BLOCKS_A_STEP and len(ids) >= 2 * rows
            if is_enough or not (is_large or written_ns < before_ns):
                break
            ids += [packed[at : at + 16] for at in range(0, len(packed), 16)]
            last = first + size - 1
            removed += 1
        if not removed:
            return False
        # A row that was completed since has a number in a later block.
        many.delete(self._connection, "exchange", ids, "number <= ?", last)
        self._connection.execute("DELETE FROM block WHERE first <= ?", (last,))
        sql = "DELETE FROM same_exchange WHERE first + length(numbers) / 4 <= ? AND first <= ?"
        self._connection.execute(sql, (last + 1, last))
        zones.remove(self._connection, last + 1)
        return True

    def _remove_surplus_metrics(self, is_large: bool) -> bool:
        """Remove the oldest minutes of metrics if the file is too large and far too many of them are the reason: their
        hours still tell of them."""
        if not is_large:
            return False
        if self._surplus_bytes <= 0 and time.monotonic() >= self._next_count:
            self._next_count = time.monotonic() + RECOUNT_S
            self._surplus_bytes = self._figures_bytes(LATER_S) - self._most_figures_bytes
        has_removed = False
        for _ in range(STEPS_A_STEP):
            sql = "SELECT start_s FROM pack WHERE step_s = ? ORDER BY start_s LIMIT 1"
            oldest = self._connection.execute(sql, (MINUTE_S,)).fetchone() if self._surplus_bytes > 0 else None
            if oldest is None:
                break
            self._surplus_bytes -= max(1, self._figures_bytes(*oldest))
            self._connection.execute(f"DELETE FROM pack WHERE {MINUTES}", oldest)  # noqa: S608
            has_removed = True
        return has_removed

    def _figures_bytes(self, until_s: int) -> int:
        """Size of minutes of figures; SQLite tells the length of a value without reading it."""
        sql = f"SELECT coalesce(sum(length(figures)), 0) FROM pack WHERE {MINUTES}"  # noqa: S608
        return int(self._connection.execute(sql, (until_s,)).fetchone()[0])

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
