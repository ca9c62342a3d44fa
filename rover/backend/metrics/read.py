"""Figures out of the store's tables. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rover import _engine
from rover.backend.metrics.figures import COLUMNS, Figures
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S, Kind
from rover.backend.store.metrics.packs import TEXT, packed_until

STEPS_AT_ONCE = 32
"""Steps whose figures are one value: of many services some MB."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Start of the oldest minute, hour and day that are stored; later than any time if there is none."""

    minute_s: int
    hour_s: int
    day_s: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Kept:
        """As it is now."""
        fresh = _ends(connection, "metric", MINUTE_S)
        oldest = [_ends(connection, "pack", step_s)[0] for step_s in (MINUTE_S, HOUR_S, DAY_S)]
        return cls(min(fresh[0], oldest[0]), *oldest[1:])

    @property
    def oldest_s(self) -> int:
        """Start of the oldest step, as exactly as it is known: a longer step counts if it is older than the step in
        which a shorter one lies."""
        if self._has_days_alone:
            return self.day_s
        return self.hour_s if self._has_hours_alone else self.minute_s

    def finest_s(self, start_s: int) -> int:
        """The shortest step in which a time is still told: a day where hours are gone, an hour where minutes are."""
        if start_s < min(self.minute_s, self.hour_s) and self._has_days_alone:
            return DAY_S
        is_gone = start_s < self.minute_s and (self._has_hours_alone or self._has_days_alone)
        return HOUR_S if is_gone else MINUTE_S

    @property
    def _has_hours_alone(self) -> bool:
        return self.hour_s < self.minute_s // HOUR_S * HOUR_S

    @property
    def _has_days_alone(self) -> bool:
        return self.day_s < min(self.minute_s, self.hour_s) // DAY_S * DAY_S


@dataclass(frozen=True, slots=True)
class Told:
    """Figures of a span as they are stored; added up natively, without the GIL."""

    texts: list[str]
    only: int | None = None
    """Of this entity alone."""

    def by_entity(self) -> dict[int, Figures]:
        """Sums of each entity, by number."""
        return {entity: Figures(sums) for entity, sums in _engine.told_by_entity(self.texts, self.only).items()}

    def total(self) -> Figures | None:
        """Sums of all; None if nothing is told."""
        return self.by_step(sys.maxsize).get(0)

    def by_step(self, step_s: int) -> dict[int, Figures]:
        """Sums of steps of so many seconds, by how many of them lie between 1970 and each."""
        return {step: Figures(sums) for step, sums in _engine.told_by_step(self.texts, self.only, step_s).items()}

    def column(self, column: str, step_s: int) -> dict[tuple[int, int], int]:
        """One sum by entity and step."""
        return _engine.told_column(self.texts, step_s, COLUMNS[column])


def told_by_step(
    connection: sqlite3.Connection,
    kind: Kind,
    start_s: int,
    end_s: int,
    step_s: int,
    owner: int | None = None,
    entity: int | None = None,
) -> Told:
    """Figures of a span by steps of one length, those in which it begins and ends included."""
    start_s, end_s = start_s // step_s * step_s, -(-end_s // step_s) * step_s
    return _told(connection, kind, [(step_s, start_s, end_s)], (start_s, end_s), owner, entity)


def told_of_span(
    connection: sqlite3.Connection,
    kind: Kind,
    start_s: int,
    end_s: int,
    owner: int | None = None,
    entity: int | None = None,
    longest_s: int = DAY_S,
) -> Told:
    """Figures of the whole minutes of a span, by few steps. Where minutes are gone, of whole hours; or of whole days.

    `longest_s`: no longer steps than this, where there are shorter ones."""
    kept = Kept.of(connection)
    finest_s = kept.finest_s(start_s)
    start_s = start_s // finest_s * finest_s
    for oldest_s, longer_s in ((kept.minute_s, HOUR_S), (kept.hour_s, DAY_S)):
        if end_s <= oldest_s and longer_s <= finest_s:
            end_s = -(-end_s // longer_s) * longer_s
    steps_s = [step_s for step_s in reversed(STEPS_S) if step_s <= max(longest_s, finest_s)]
    pieces = list(_pieces(start_s, end_s, steps_s, packed_until(connection)))
    return _told(connection, kind, pieces, (start_s, end_s), owner, entity)


Piece = tuple[int, int, int]
"""Length of steps, start of the first, end of the last."""


def _pieces(start_s: int, end_s: int, steps_s: Sequence[int], packed_s: int) -> Iterator[Piece]:
    """A span as whole steps: the longest in the middle, shorter ones around them."""
    step_s, *shorter = steps_s
    first_s, last_s = -(-start_s // step_s) * step_s, end_s // step_s * step_s
    if end_s >= packed_s:
        # What the last step has is all before the end, so it is whole.
        last_s = -(-end_s // step_s) * step_s
    if not shorter or first_s >= last_s:
        yield from _pieces(start_s, end_s, shorter, packed_s) if shorter else [(step_s, start_s, end_s)]
        return
    if start_s < first_s:
        yield from _pieces(start_s, first_s, shorter, packed_s)
    yield step_s, first_s, last_s
    if last_s < end_s:
        yield from _pieces(last_s, end_s, shorter, packed_s)


def _told(
    connection: sqlite3.Connection,
    kind: Kind,
    pieces: Sequence[Piece],
    rows: tuple[int, int],
    owner: int | None,
    entity: int | None,
) -> Told:
    """Packs of these pieces, and what is not packed of the span `rows`."""
    texts: list[str] = []
    for piece in pieces:
        texts += _texts(connection, "pack", kind, piece, owner)
    texts += _texts(connection, "metric", kind, (MINUTE_S, *rows), owner)
    return Told(texts, entity)


Table = Literal["metric", "pack"]


def _ends(connection: sqlite3.Connection, table: Table, step_s: int) -> tuple[int, int]:
    """Start of the oldest and of the newest step of this length; later and earlier than any time if there is none."""
    sql = f"""
        SELECT (SELECT start_s FROM {table} WHERE step_s = ?1 ORDER BY start_s LIMIT 1),
               (SELECT start_s FROM {table} WHERE step_s = ?1 ORDER BY start_s DESC LIMIT 1)
    """  # noqa: S608
    oldest_s, newest_s = connection.execute(sql, (step_s,)).fetchone()
    return (sys.maxsize, -1) if oldest_s is None else (int(oldest_s), int(newest_s))


def _texts(connection: sqlite3.Connection, table: Table, kind: Kind, piece: Piece, owner: int | None) -> Iterator[str]:
    step_s, start_s, end_s = piece
    oldest_s, newest_s = _ends(connection, table, step_s)
    start_s, end_s = max(start_s, oldest_s), min(end_s, newest_s + step_s)
    text = TEXT if table == "metric" else TEXT.replace("entity", "0")
    # Step by step: within each one look-up leads to the kind, and to the owner.
    sql = f"""
        WITH RECURSIVE step(at_s) AS (SELECT ? UNION ALL SELECT at_s + ? FROM step WHERE at_s + ? < ?)
        SELECT {text} FROM step
        CROSS JOIN {table} ON step_s = ? AND start_s = at_s AND kind = ?{"" if owner is None else " AND owner = ?"}
    """  # noqa: S608
    for first_s in range(start_s, end_s, STEPS_AT_ONCE * step_s):
        last_s = min(end_s, first_s + STEPS_AT_ONCE * step_s)
        values = [first_s, step_s, step_s, last_s, step_s, int(kind)]
        found = connection.execute(sql, values if owner is None else [*values, owner]).fetchone()[0]
        if found:
            yield found
