"""What is too old or too much goes, oldest first, in steps small enough that the writer is never held up.

Age counts from when a record was written, not from when its exchange began: a stream of three days that ended just now
stays.
Size is that of the pages in use; the write-ahead log comes on top (16 MiB, more while a reader holds it).
"""

from __future__ import annotations

import sqlite3
import time

from rover.backend.options import BackendOptions
from rover.backend.store import many
from rover.backend.store.figures import HOUR_S, MINUTE_S
from rover.backend.store.metrics import expire, roll
from rover.backend.store.metrics.kinds import DAY_S

BLOCKS_A_STEP = 16
"""Least number of blocks removed in one step."""
STEPS_A_STEP = 16
"""Most minutes of figures removed in one step."""
FIGURE_BYTES = 600
"""What a row of figures takes at most, about."""
FIGURES_SHARE = 4
"""Figures may take one part in so many of the size allowed; above that they go first."""
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
        self._most_figures = max(1000, options.retention_bytes // FIGURES_SHARE // FIGURE_BYTES)
        self._surplus_figures = 0
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
            if self._remove_surplus_figures(is_large):
                has_removed = True
            else:
                has_removed = self._remove_old_figures(before_ns // 10**9)
                has_removed |= self._remove_blocks(before_ns, is_large, rows)
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
        return True

    def _remove_old_figures(self, before_s: int) -> bool:
        """Remove the oldest minute and the oldest hour of figures if they are too old."""
        old = [(step_s, start_s) for step_s, start_s in self._oldest_steps() if start_s + step_s <= before_s]
        for step_s, start_s in old:
            self._remove_step(step_s, start_s)
        return bool(old)

    def _remove_surplus_figures(self, is_large: bool) -> bool:
        """Remove the oldest figures if the file is too large and far too many of them are the reason."""
        if not is_large:
            return False
        if self._surplus_figures <= 0 and time.monotonic() >= self._next_count:
            self._next_count = time.monotonic() + RECOUNT_S
            counted = self._connection.execute("SELECT count(*) FROM endpoint_figures").fetchone()[0]
            self._surplus_figures = counted - self._most_figures
        has_removed = False
        for _ in range(STEPS_A_STEP):
            if self._surplus_figures <= 0:
                break
            for step_s, start_s in self._oldest_steps()[:1]:
                self._surplus_figures -= max(1, self._remove_step(step_s, start_s))
                has_removed = True
        return has_removed

    def _oldest_steps(self) -> list[tuple[int, int]]:
        sql = "SELECT step_s, start_s FROM service_figures WHERE step_s = ? ORDER BY start_s LIMIT 1"
        found = [self._connection.execute(sql, (step_s,)).fetchone() for step_s in (MINUTE_S, HOUR_S)]
        return [step for step in found if step]

    def _remove_step(self, step_s: int, start_s: int) -> int:
        run = self._connection.execute
        sql = "SELECT service FROM service_figures WHERE step_s = ? AND start_s = ?"
        services = run(sql, (step_s, start_s)).fetchall()
        removed = self._connection.executemany(
            "DELETE FROM endpoint_figures WHERE service = ? AND step_s = ? AND start_s = ?",
            [(service, step_s, start_s) for (service,) in services],
        ).rowcount
        run("DELETE FROM service_figures WHERE step_s = ? AND start_s = ?", (step_s, start_s))
        return removed

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
