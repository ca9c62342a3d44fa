"""Rows into tables, inside the writer's transaction.

Rows without a predecessor take the fast path: a statement for hundreds of them and one for their blocks. Only when
SQLite finds an id twice are the rows looked up one by one: an `unfinished` record is replaced, a second delivery of a
finished one ignored.
"""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rover.backend.options import ACTIVITY, BackendOptions, Row
from rover.backend.store import blocks, many
from rover.backend.store.metrics import MetricBook
from rover.backend.store.metrics.kinds import HOUR_S
from rover.backend.store.sample import Sample
from rover.backend.store.short import Stored, is_unfinished, shorten
from rover.backend.store.zones import Zones


class Inserter:
    """Writes batches of rows through one connection. Belongs to the writer thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        options: BackendOptions,
        grouping: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._connection = connection
        self._next = self._first_free_number()
        self._zones = Zones(connection)
        self._metrics = MetricBook(connection, int(options.retention_hours * HOUR_S), grouping)
        self.sample = Sample(connection, self._metrics.folder, options.exchanges_per_second)
        self.malformed = 0
        """Rows that do not fit the contract; not stored."""
        self.repeated = 0
        """Rows that were there already, finished; not stored again."""

    @property
    def overflowed(self) -> int:
        """How often figures went to OTHER, for a bound on names was reached."""
        return self._metrics.overflowed

    def write(self, rows: Sequence[Row]) -> list[Stored]:
        """Store one batch in a transaction of its own and return what was stored, in the order given.

        Raises sqlite3.Error with nothing of the batch stored."""
        run = self._connection.execute
        number, malformed, repeated = self._next, self.malformed, self.repeated
        run("BEGIN IMMEDIATE")
        try:
            stored = self._write(rows)
            run("COMMIT")
        except BaseException:
            self._next, self.malformed, self.repeated = number, malformed, repeated
            if self._connection.in_transaction:
                run("ROLLBACK")
            # What the book holds in memory is ahead of the file now.
            self._metrics.forget()
            self._zones.forget()
            self.sample.forget()
            raise
        return stored

    def _write(self, rows: Sequence[Row]) -> list[Stored]:
        run = self._connection.execute
        activities = [row for row in rows if row[6] == ACTIVITY]
        if activities:
            rows = [row for row in rows if row[6] != ACTIVITY]
        left_out: list[Row] = []
        if self.sample.is_on:
            rows, left_out, repeated = self.sample.choose(rows)
            self.repeated += repeated
        pairs = self._shorten(rows)
        number = self._next
        run("SAVEPOINT fresh")
        try:
            self._insert(pairs)
        except sqlite3.IntegrityError:
            run("ROLLBACK TO fresh")
            self._next = number
            pairs = self._shorten(self._without_repeats([row for _, row in pairs]))
            self._insert(pairs)
        run("RELEASE fresh")
        self._zones.add([short for short, _ in pairs])
        counted = [row for _, row in pairs] + left_out
        counted += self._told_first(activities)
        self._metrics.add([(row[1], row[17]) for row in counted])
        return pairs

    def _insert(self, pairs: Sequence[Stored]) -> None:
        written_ns = time.time_ns()
        packed: list[tuple[int, int, int, bytes, bytes]] = []
        start = 0
        for part in blocks.split([row for _, row in pairs]):
            ids = b"".join([short[0] for short, _ in pairs[start : start + len(part)]])
            packed.append((self._next + start, len(part), written_ns, ids, blocks.pack([row[17] for row in part])))
            start += len(part)
        many.put(self._connection, "INSERT", "exchange", [short for short, _ in pairs])
        many.put(self._connection, "INSERT", "block", packed)
        if pairs:
            numbers = struct.pack(f"<{len(pairs)}I", *[row[19] for _, row in pairs])
            many.put(self._connection, "INSERT", "same_exchange", [(self._next, numbers)])
        self._next += len(pairs)

    def _shorten(self, rows: Sequence[Row]) -> list[Stored]:
        try:
            return [(shorten(row, number), row) for number, row in enumerate(rows, self._next)]
        except (ValueError, TypeError, IndexError):
            return self._shorten_those_that_fit(rows)

    def _shorten_those_that_fit(self, rows: Sequence[Row]) -> list[Stored]:
        pairs: list[Stored] = []
        for row in rows:
            try:
                pairs.append((shorten(row, self._next + len(pairs)), row))
            except (ValueError, TypeError, IndexError):
                self.malformed += 1
        return pairs

    def _without_repeats(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that are new or complete what is stored; the rows that they replace are deleted."""
        by_id: dict[str, Row] = {}
        for row in rows:
            known = by_id.get(row[0])
            if known is None or is_unfinished(known[16]):
                by_id[row[0]] = row
        self.repeated += len(rows) - len(by_id)
        ids = [bytes.fromhex(row_id) for row_id in by_id]
        unfinished: list[bytes] = []
        for earlier, flags in many.select(self._connection, "id, flags", "exchange", ids):
            if is_unfinished(flags):
                unfinished.append(earlier)
            else:
                del by_id[earlier.hex()]
                self.repeated += 1
        many.delete(self._connection, "exchange", unfinished, "number < ?", self._next)
        return list(by_id.values())

    def _told_first(self, activities: Sequence[Row]) -> list[Row]:
        """Activities that have not been counted before."""
        by_id = {row[0]: row for row in activities if row[0]}
        if not by_id:
            return list(activities)
        ids: dict[bytes, str] = {}
        for row_id in by_id:
            try:
                ids[bytes.fromhex(row_id)] = row_id
            except ValueError:
                self.malformed += 1
        known = {found for (found,) in many.select(self._connection, "id", "told", list(ids))}
        new = {told: row_id for told, row_id in ids.items() if told not in known}
        self.repeated += len(activities) - sum(not row[0] for row in activities) - len(new)
        many.put(self._connection, "INSERT", "told", [(told,) for told in new])
        return [row for row in activities if not row[0]] + [by_id[row_id] for row_id in new.values()]

    def _first_free_number(self) -> int:
        last = self._connection.execute("SELECT first + size FROM block ORDER BY first DESC LIMIT 1").fetchone()
        return int(last[0]) if last else 1
