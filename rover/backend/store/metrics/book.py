"""Keeps the figures of metrics up, in the transaction that stores their records. Belongs to the writer thread.

A batch is folded natively into shares by entity and minute, which are added to the rows of these minutes. Of a minute
that is packed already (see rollup.py) there are none: a late record begins new ones, which are packed in turn.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rover import _engine
from rover.backend.store import many
from rover.backend.store.metrics.entities import Entities
from rover.backend.store.metrics.kinds import HOUR_S, MINUTE_S, Kind
from rover.backend.store.metrics.packs import packed_until

FUTURE_S = 600
"""Minutes so far ahead of this clock are taken; clocks of nodes differ."""
HELD = 16_384
"""Figures kept in memory between batches, some 500 bytes each: of a thousand endpoints a minute has 6000."""

PLACES = 20_000
"""Names whose numbers are kept, some 300 bytes each."""

Key = tuple[int, int, int, int, int]
"""step_s, start_s, kind, owner, entity: the key of `metric`."""


class MetricBook:
    """Figures of the recent past in memory, and the tables behind them."""

    def __init__(
        self, connection: sqlite3.Connection, keep_s: int, grouping: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """`keep_s`: how long minutes are kept; `grouping`: of paths, as the native folder takes it. Raises ValueError
        for a wrong pattern."""
        self._connection = connection
        self._keep_s = keep_s
        self.folder = _engine.MetricFolder(json.dumps(dict(grouping)))
        for (lessons,) in connection.execute("SELECT told FROM lesson"):
            self.folder.recall(lessons)
        self._lessons = ""
        self._are_lessons_stored = True
        self._entities = Entities(connection)
        self._held: dict[Key, bytes] = {}
        self._packed_s = 0
        self._places: dict[tuple[Kind, str, str, str, str], tuple[int, int]] = {}
        self._places_s = 0
        self.out_of_time = 0
        """Records of minutes that are no longer, or not yet, kept."""

    @property
    def overflowed(self) -> int:
        """How often figures went to OTHER, for a bound was reached."""
        return self._entities.overflowed

    def add(self, records: Iterable[tuple[int, str]], now_s: float | None = None) -> None:
        """Count these records (Unix time of their start in ns, JSON), inside the caller's transaction."""
        told = list(records)
        if not told:
            return
        minute_s = int(time.time() if now_s is None else now_s) // MINUTE_S * MINUTE_S
        shares, out_of_time, _ = self.folder.fold(
            [time_ns for time_ns, _ in told],
            [record for _, record in told],
            minute_s - self._keep_s,
            minute_s + FUTURE_S,
        )
        self.out_of_time += out_of_time
        self._forget_packed()
        sums: dict[Key, list[bytes]] = {}
        for start_s, kind, service, name, peer, peer_name, figures in shares:
            owner, entity = self._known_place(start_s // HOUR_S * HOUR_S, (Kind(kind), service, name, peer, peer_name))
            sums.setdefault((MINUTE_S, start_s, kind, owner, entity), []).append(figures)
        self._entities.store()
        self._store(sums)
        if news := self.folder.news():
            self._lessons, self._are_lessons_stored = news, False
        if not self._are_lessons_stored:
            self._connection.execute("REPLACE INTO lesson VALUES (1, ?)", (self._lessons,))
            self._are_lessons_stored = True

    def forget(self) -> None:
        """Drop what is in memory: the tables are the truth again."""
        self._held.clear()
        self._places.clear()
        self._are_lessons_stored = not self._lessons
        self._entities.forget()

    def _forget_packed(self) -> None:
        """What is part of packs has no rows any more."""
        packed_s = packed_until(self._connection)
        if packed_s != self._packed_s:
            self._packed_s = packed_s
            self._held = {key: figures for key, figures in self._held.items() if key[1] >= packed_s}

    def _known_place(self, hour_s: int, share: tuple[Kind, str, str, str, str]) -> tuple[int, int]:
        """Owner and entity of a share, which were looked up before in the newest hour."""
        if hour_s > self._places_s or len(self._places) > PLACES:
            self._places.clear()
            self._places_s = hour_s
        known = self._places.get(share) if hour_s == self._places_s else None
        if known is None:
            overflowed = self._entities.overflowed
            known = self._place(hour_s, *share)
            # What shares OTHER is counted each time.
            if hour_s == self._places_s and overflowed == self._entities.overflowed:
                self._places[share] = known
        return known

    def _place(self, hour_s: int, kind: Kind, service: str, name: str, peer: str, peer_name: str) -> tuple[int, int]:
        """Owner (service) and entity of a share."""
        number = self._entities.number
        owner = self._entities.service(hour_s, service)
        if kind is Kind.SERVICE:
            return owner, owner
        if kind in (Kind.INSTANCE, Kind.ENDPOINT):
            return owner, number(hour_s, kind, owner, name)
        other = self._entities.service(hour_s, peer)
        if kind in (Kind.CLIENT_RELATION, Kind.SERVER_RELATION):
            return owner, number(hour_s, kind, owner, "", other)
        ends = number(hour_s, Kind.INSTANCE, owner, name), number(hour_s, Kind.INSTANCE, other, peer_name)
        return owner, number(hour_s, kind, ends[0], "", ends[1])

    def _store(self, sums: dict[Key, list[bytes]]) -> None:
        stored = load(self._connection, [key for key in sums if key not in self._held])
        keys = list(sums)
        added = _engine.add_figures(
            [self._held.get(key) or stored.get(key) for key in keys], [sums[key] for key in keys]
        )
        pairs = list(zip(keys, added, strict=True))
        many.put(self._connection, "REPLACE", "metric", [(*key, figures) for key, figures in pairs])
        for key, figures in pairs:
            # Rows that came late go with the next packing, and nobody tells of that.
            if key[1] >= self._packed_s:
                self._held.pop(key, None)
                self._held[key] = figures  # last in the dict: most recently used
        for key in list(self._held)[: max(0, len(self._held) - HELD)]:
            del self._held[key]


def load(connection: sqlite3.Connection, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Figures at these keys, as far as there are any."""
    found: dict[Key, bytes] = {}
    for start in range(0, len(keys), 512):
        part = keys[start : start + 512]
        marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(part))
        sql = f"""
            WITH wanted(step_s, start_s, kind, owner, entity) AS (VALUES {marks})
            SELECT step_s, start_s, kind, owner, entity, figures FROM wanted
            CROSS JOIN metric USING (step_s, start_s, kind, owner, entity)
        """  # noqa: S608
        for *known, figures in connection.execute(sql, [value for key in part for value in key]):
            found[tuple(known)] = figures
    return found
