"""Figures out of the store's tables. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rover import _engine
from rover.backend.metrics.figures import COLUMNS, Figures
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S, Kind
from rover.backend.store.metrics.packs import TEXT

STEPS_AT_ONCE = 32
"""Steps whose figures are one value: of many services some MB."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Start of the oldest and of the newest step that is stored, by length; later and earlier than any time if there is
    none. And up to where minutes are packed."""

    metric: tuple[int, int]
    packs: dict[int, tuple[int, int]]
    packed_s: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Ends:
        """As it is now, in one statement: each costs the GIL several times."""
        found = connection.execute(_ENDS).fetchone()
        each = [
            (sys.maxsize, -1) if oldest_s is None else (int(oldest_s), int(newest_s))
            for oldest_s, newest_s in zip(found[:-1:2], found[1:-1:2], strict=True)
        ]
        return cls(each[0], dict(zip(STEPS_S, each[1:], strict=True)), int(found[-1] or 0))


def _end(table: str, step_s: int, order: str) -> str:
    return f"(SELECT start_s FROM {table} WHERE step_s = {step_s} ORDER BY start_s {order} LIMIT 1)"  # noqa: S608


_ENDS = "SELECT " + ", ".join(  # noqa: S608
    [
        _end(table, step_s, order)
        for table, step_s in [("metric", MINUTE_S), *(("pack", step_s) for step_s in STEPS_S)]
        for order in ("ASC", "DESC")
    ]
    + [f"(SELECT until_s FROM rolled WHERE step_s = {MINUTE_S})"]  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Start of the oldest minute, hour and day that are stored; later than any time if there is none."""

    minute_s: int
    hour_s: int
    day_s: int

    @classmethod
    def of(cls, ends: Ends) -> Kept:
        """As it was then."""
        oldest = [ends.packs[step_s][0] for step_s in (MINUTE_S, HOUR_S, DAY_S)]
        return cls(min(ends.metric[0], oldest[0]), *oldest[1:])

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
    pieces = [(step_s, start_s, end_s)]
    return _told(connection, kind, pieces, (start_s, end_s), Ends.of(connection), owner, entity)


def told_of_span(
    connection: sqlite3.Connection,
    kind: Kind,
    start_s: int,
    end_s: int,
    owner: int | None = None,
    entity: int | None = None,
    longest_s: int = DAY_S,
    ends: Ends | None = None,
) -> Told:
    """Figures of the whole minutes of a span, by few steps. Where minutes are gone, of whole hours; or of whole days.

    `longest_s`: no longer steps than this, where there are shorter ones. `ends`: of this snapshot, if
    they are known."""
    ends = ends or Ends.of(connection)
    kept = Kept.of(ends)
    finest_s = kept.finest_s(start_s)
    start_s = start_s // finest_s * finest_s
    for oldest_s, longer_s in ((kept.minute_s, HOUR_S), (kept.hour_s, DAY_S)):
        if end_s <= oldest_s and longer_s <= finest_s:
            end_s = -(-end_s // longer_s) * longer_s
    steps_s = [step_s for step_s in reversed(STEPS_S) if step_s <= max(longest_s, finest_s)]
    pieces = list(_pieces(start_s, end_s, steps_s, ends.packed_s))
    return _told(connection, kind, pieces, (start_s, end_s), ends, owner, entity)


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
    ends: Ends,
    owner: int | None,
    entity: int | None,
) -> Told:
    """Packs of these pieces, and what is not packed of the span `rows`."""
    packs = [
        (step_s, at_s) for step_s, *span in pieces for at_s in _starts(step_s, span[0], span[1], ends.packs[step_s])
    ]
    fresh = [(MINUTE_S, at_s) for at_s in _starts(MINUTE_S, *rows, ends.metric)]
    owned = "" if owner is None else "AND owner = :owner"
    # Step by step: within each one look-up leads to the kind, and to the owner.
    sql = "SELECT " + ", ".join(  # noqa: S608
        f"""(
            SELECT {text} FROM json_each(:{table}) AS step CROSS JOIN {table}
            ON step_s = json_extract(step.value, '$[0]') AND start_s = json_extract(step.value, '$[1]')
            AND kind = :kind {owned}
        )"""  # noqa: S608
        for table, text in (("pack", TEXT.replace("entity", "0")), ("metric", TEXT))
    )
    texts: list[str] = []
    for first in range(0, max(len(packs), len(fresh)), STEPS_AT_ONCE):
        parts = {
            table: json.dumps(steps[first : first + STEPS_AT_ONCE])
            for table, steps in (("pack", packs), ("metric", fresh))
        }
        found = connection.execute(sql, {"kind": int(kind), "owner": owner, **parts}).fetchone()
        texts += [text for text in found if text]
    return Told(texts, entity)


def _starts(step_s: int, start_s: int, end_s: int, stored: tuple[int, int]) -> range:
    """Of the steps of a span those that may be stored."""
    oldest_s, newest_s = stored
    return range(max(start_s, oldest_s), min(end_s, newest_s + step_s), step_s)
