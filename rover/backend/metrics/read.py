"""Figures out of the store's tables. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, Kind

MINUTES_UP_TO_S = 3 * HOUR_S
"""Up to this span minutes are added up; above, hours where there are whole ones, and days."""

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
) -> Iterator[Row]:
    """Figures of the whole minutes of a span, by few rows. Where minutes are gone, of whole hours; or of whole days."""
    for step_s, first_s, last_s in _pieces(connection, start_s, end_s):
        yield from _rows(connection, kind, step_s, first_s, last_s, owner, entity)


def _pieces(connection: sqlite3.Connection, start_s: int, end_s: int) -> Iterator[tuple[int, int, int]]:
    rolled = Rolled.of(connection)
    for step_s, longer_s in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
        if start_s < _oldest_s(connection, step_s):
            start_s = start_s // longer_s * longer_s
    if end_s - start_s <= MINUTES_UP_TO_S and start_s >= _oldest_s(connection, MINUTE_S):
        yield MINUTE_S, start_s, end_s
        return
    # Whole days in the middle, whole hours around them, minutes at both ends; a longer step counts once it is complete.
    hours = _whole(start_s, min(end_s, rolled.minutes_s), HOUR_S)
    days = _whole(hours[0], min(hours[1], rolled.hours_s), DAY_S)
    yield MINUTE_S, start_s, hours[0]
    yield HOUR_S, hours[0], days[0]
    yield DAY_S, *days
    yield HOUR_S, days[1], hours[1]
    yield MINUTE_S, hours[1], end_s


def _whole(start_s: int, end_s: int, step_s: int) -> tuple[int, int]:
    """The whole steps of a span; nothing, at its start, if there are none."""
    first_s, last_s = -(-start_s // step_s) * step_s, end_s // step_s * step_s
    return (first_s, last_s) if first_s < last_s else (start_s, start_s)


def _oldest_s(connection: sqlite3.Connection, step_s: int) -> int:
    sql = "SELECT start_s FROM metric WHERE step_s = ? ORDER BY start_s LIMIT 1"
    found = connection.execute(sql, (step_s,)).fetchone()
    return int(found[0]) if found else 0


def _rows(
    connection: sqlite3.Connection,
    kind: Kind,
    step_s: int,
    start_s: int,
    end_s: int,
    owner: int | None,
    entity: int | None,
) -> Iterator[Row]:
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
