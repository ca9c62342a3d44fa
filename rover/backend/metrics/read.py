"""Figures out of the store's tables. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S, Kind

MINUTES_UP_TO_S = HOUR_S
"""Up to this span minutes are added up; above, hours where there are whole ones, and days."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Start of the oldest minute, hour and day that are stored; later than any time if there is none."""

    minute_s: int
    hour_s: int
    day_s: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Kept:
        """As it is now."""
        return cls(*(_oldest_s(connection, step_s) for step_s in STEPS_S))

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


Row = tuple[int, int, int, bytes]
"""start_s, owner, entity, figures."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """Up to where minutes are in hours, and hours in days."""

    minutes_s: int
    hours_s: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Rolled:
        """As the writer noted it."""
        until = dict(connection.execute("SELECT step_s, until_s FROM rolled").fetchall())
        return cls(until.get(MINUTE_S, 0), until.get(HOUR_S, 0))


def rows_by_step(
    connection: sqlite3.Connection,
    kind: Kind,
    start_s: int,
    end_s: int,
    step_s: int,
    owner: int | None = None,
    entity: int | None = None,
) -> Iterator[Row]:
    """Figures of a span, none of them longer than `step_s` (60, 3600 or 86400): a longer step has what is rolled up
    into it, the rest is told by shorter ones."""
    rolled = Rolled.of(connection)
    yield from _rows(connection, kind, step_s, start_s, end_s, owner, entity)
    if step_s == DAY_S:
        yield from _rows(connection, kind, HOUR_S, max(start_s, rolled.hours_s), end_s, owner, entity)
    if step_s >= HOUR_S:
        yield from _rows(connection, kind, MINUTE_S, max(start_s, rolled.minutes_s), end_s, owner, entity)


def rows_of_span(
    connection: sqlite3.Connection,
    kind: Kind,
    start_s: int,
    end_s: int,
    owner: int | None = None,
    entity: int | None = None,
    longest_s: int = DAY_S,
) -> Iterator[Row]:
    """Figures of the whole minutes of a span, by few rows. Where minutes are gone, of whole hours; or of whole days.

    `longest_s`: no longer steps than this, where there are shorter ones."""
    for step_s, first_s, last_s in _pieces(connection, start_s, end_s, longest_s):
        yield from _rows(connection, kind, step_s, first_s, last_s, owner, entity)


def _pieces(connection: sqlite3.Connection, start_s: int, end_s: int, longest_s: int) -> Iterator[tuple[int, int, int]]:
    rolled, kept = Rolled.of(connection), Kept.of(connection)
    finest_s = kept.finest_s(start_s)
    start_s = start_s // finest_s * finest_s
    for oldest_s, longer_s in ((kept.minute_s, HOUR_S), (kept.hour_s, DAY_S)):
        if end_s <= oldest_s and longer_s <= finest_s:
            end_s = -(-end_s // longer_s) * longer_s
    if finest_s == MINUTE_S and (longest_s == MINUTE_S or end_s - start_s <= MINUTES_UP_TO_S):
        yield MINUTE_S, start_s, end_s
        return
    # Days in the middle, hours around them, minutes at both ends.
    hours = _whole(start_s, end_s, HOUR_S, rolled.minutes_s)
    has_days = DAY_S in (longest_s, finest_s)
    days = _whole(*hours, DAY_S, rolled.hours_s) if has_days else (hours[0], hours[0])
    yield MINUTE_S, start_s, hours[0]
    yield HOUR_S, hours[0], days[0]
    yield DAY_S, *days
    yield HOUR_S, days[1], hours[1]
    yield MINUTE_S, hours[1], end_s


def _whole(start_s: int, end_s: int, step_s: int, rolled_s: int) -> tuple[int, int]:
    """The part of a span that whole steps tell; nothing, at its start, if there is none. The last step has all that is
    before `rolled_s` and nothing else, so up to there it is whole."""
    first_s = -(-start_s // step_s) * step_s
    last_s = rolled_s if end_s >= rolled_s else end_s // step_s * step_s
    return (first_s, last_s) if first_s < last_s else (start_s, start_s)


def _oldest_s(connection: sqlite3.Connection, step_s: int) -> int:
    """Start of the oldest step of this length; later than any time if there is none."""
    sql = "SELECT start_s FROM metric WHERE step_s = ? ORDER BY start_s LIMIT 1"
    found = connection.execute(sql, (step_s,)).fetchone()
    return int(found[0]) if found else sys.maxsize


def _rows(
    connection: sqlite3.Connection,
    kind: Kind,
    step_s: int,
    start_s: int,
    end_s: int,
    owner: int | None,
    entity: int | None,
) -> Iterator[Row]:
    if start_s >= end_s:
        return
    start_s = max(start_s // step_s * step_s, _oldest_s(connection, step_s))
    if start_s >= end_s:
        return
    where = "".join(f" AND {name} = ?" for name, value in (("owner", owner), ("entity", entity)) if value is not None)
    # Step by step: within each one look-up leads to the kind, and to owner and entity.
    sql = f"""
        WITH RECURSIVE step(start_s) AS (SELECT ? UNION ALL SELECT start_s + ? FROM step WHERE start_s + ? < ?)
        SELECT metric.start_s, owner, entity, figures FROM step
        CROSS JOIN metric ON step_s = ? AND metric.start_s = step.start_s AND kind = ?{where}
    """  # noqa: S608
    given = [value for value in (owner, entity) if value is not None]
    yield from connection.execute(sql, [start_s, step_s, step_s, end_s, step_s, int(kind), *given])
