"""Packs: what one service has of a kind in one step of time, in one value. All minutes that are over are in them.

Figures are either rows of `metric`, whose minute lasts or which came late, or part of the packs of every length of
step. So whoever adds packs and rows of a span has counted each figure once, whatever lengths he took.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from rover import _engine
from rover.backend.store import many
from rover.backend.store.metrics.kinds import MINUTE_S

AT_ONCE = 256
"""Packs that are in memory together: some 10 KB each, with very many endpoints 200 KB."""

Told = tuple[int, int, int, str]
"""start_s, kind, owner, and figures as the native side reads them (see `TEXT`)."""
Place = tuple[int, int, int, int]
"""step_s, start_s, kind, owner: the key of `pack`."""

TEXT = "group_concat(start_s || ',' || entity || ',' || hex(figures), ';')"
"""Many rows as one value: sqlite3 gives the GIL up around each row of a result and waits to get it back."""


def add(connection: sqlite3.Connection, told: Iterable[Told], steps_s: Sequence[int]) -> None:
    """Add figures to the packs of these lengths, inside the caller's transaction."""
    by_place: dict[Place, list[str]] = {}
    for start_s, kind, owner, text in told:
        for step_s in steps_s:
            by_place.setdefault((step_s, start_s // step_s * step_s, kind, owner), []).append(text)
    places = sorted(by_place)
    for first in range(0, len(places), AT_ONCE):
        part = places[first : first + AT_ONCE]
        stored = _load(connection, part)
        packs = _engine.pack_figures([stored.get(place) for place in part], [by_place[place] for place in part])
        rows = [(*place, pack) for place, pack in zip(part, packs, strict=True)]
        many.put(connection, "REPLACE", "pack", rows)


def rows_told(connection: sqlite3.Connection, step_s: int, start_s: int) -> Iterator[Told]:
    """All rows of `metric` of one step."""
    sql = f"""
        SELECT start_s, kind, owner, {TEXT} FROM metric WHERE step_s = ? AND start_s = ? GROUP BY kind, owner
    """  # noqa: S608
    yield from connection.execute(sql, (step_s, start_s))


def packed_until(connection: sqlite3.Connection) -> int:
    """No pack has a minute from this time on."""
    found = connection.execute("SELECT until_s FROM rolled WHERE step_s = ?", (MINUTE_S,)).fetchone()
    return int(found[0]) if found else 0


def _load(connection: sqlite3.Connection, places: Sequence[Place]) -> dict[Place, bytes]:
    marks = ", ".join(["(?, ?, ?, ?)"] * len(places))
    sql = f"""
        WITH wanted(step_s, start_s, kind, owner) AS (VALUES {marks})
        SELECT step_s, start_s, kind, owner, figures FROM wanted CROSS JOIN pack USING (step_s, start_s, kind, owner)
    """  # noqa: S608
    values = [value for place in places for value in place]
    return {
        (step_s, start_s, kind, owner): pack for step_s, start_s, kind, owner, pack in connection.execute(sql, values)
    }
