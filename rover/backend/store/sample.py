"""Which rows are stored when more come than configured; metrics are of all. Belongs to the writer thread.

The choice itself is native (`ingest/src/metrics/sampling.rs`): here is what the file must know of it, in the
transaction that stores the rest."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence

from rover._engine import MetricFolder
from rover.backend.options import Row
from rover.backend.store import many

REMEMBERED = 500_000
"""Ids of exchanges that were left out are kept so long: the native side remembers as many."""
MINUTE_S = 60
LEFT_OUT, ORDINARY, REPEATED = 0, 4, 5
CHOICES = {1: "failed", 2: "slow", 3: "rare", ORDINARY: "ordinary"}
"""Why a row is stored, by the numbers of the native side."""
CAUSE = "above_rate"
"""Why one is not."""


class Sample:
    """Chooses, and counts what it chose since the start."""

    def __init__(self, connection: sqlite3.Connection, folder: MetricFolder, per_second: float) -> None:
        self._connection = connection
        self._folder = folder
        self._per_second = per_second
        self.is_on = per_second > 0
        self.kept: Counter[str] = Counter()
        """Rows stored while there was a choice, by why."""
        self.left_out: Counter[str] = Counter()
        self._before = self.kept, self.left_out
        self.forget()

    def forget(self) -> None:
        """What was chosen for a batch was not stored: the tables are the truth again."""
        self.kept, self.left_out = self._before
        if self.is_on:
            ids = self._connection.execute("SELECT ids FROM left_out ORDER BY number").fetchall()
            self._folder.start_sampling(self._per_second, [packed for (packed,) in ids])

    def choose(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row], int]:
        """Rows to store, rows to leave out, and how many were left out before; inside the caller's transaction."""
        self._before = self.kept.copy(), self.left_out.copy()
        choices = self._folder.sample(list(rows), time.monotonic())
        if LEFT_OUT not in choices and REPEATED not in choices:
            self.kept.update(CHOICES[choice] for choice in choices)
            return list(rows), [], 0
        left_out = [row for row, choice in zip(rows, choices, strict=True) if choice == LEFT_OUT]
        known = self._known([row[0] for row in left_out])
        kept = [
            row
            for row, choice in zip(rows, choices, strict=True)
            # One that completes what is stored replaces it; one that is there already is no new one.
            if choice in CHOICES or (choice == LEFT_OUT and row[0] in known)
        ]
        left_out = [row for row in left_out if row[0] not in known]
        self._remember(rows, choices, left_out)
        self.kept.update(CHOICES[choice] for choice in choices if choice in CHOICES)
        self.left_out[CAUSE] += len(left_out)
        return kept, left_out, choices.count(REPEATED)

    def _known(self, ids: Sequence[str]) -> set[str]:
        found = many.select(self._connection, "id", "exchange", [bytes.fromhex(row_id) for row_id in ids])
        return {row_id.hex() for (row_id,) in found}

    def _remember(self, rows: Sequence[Row], choices: bytes, left_out: Sequence[Row]) -> None:
        run = self._connection.execute
        stored = Counter(
            row[1] // 10**9 // MINUTE_S for row, choice in zip(rows, choices, strict=True) if choice == ORDINARY
        )
        dropped = Counter(row[1] // 10**9 // MINUTE_S for row in left_out)
        sql = """
            INSERT INTO sampled VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET seen = seen + excluded.seen, stored = stored + excluded.stored
        """
        for minute in stored.keys() | dropped.keys():
            run(sql, (minute * MINUTE_S, stored[minute] + dropped[minute], stored[minute]))
        if left_out:
            packed = b"".join([bytes.fromhex(row[0]) for row in left_out])
            number = run("INSERT INTO left_out (size, ids) VALUES (?, ?)", (len(left_out), packed)).lastrowid
            # Each batch has 4096 at most, and as many batches may be small: counted from the newest on.
            sql = """
                DELETE FROM left_out WHERE number <= (
                    SELECT number FROM (SELECT number, sum(size) OVER (ORDER BY number DESC) AS after FROM left_out)
                    WHERE after > ? ORDER BY number DESC LIMIT 1)
            """
            if number is not None and number % 64 == 0:
                run(sql, (REMEMBERED,))
