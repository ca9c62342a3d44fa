"""Numbers of entities, and which names are admitted. Belongs to the writer thread.

What a client asks for becomes an endpoint, and who asks a peer, so their number is bounded: in each hour the first so
many of a kind and owner have figures of their own, all others share those of OTHER.
"""

from __future__ import annotations

import sqlite3

from rover.backend.store import many
from rover.backend.store.metrics.kinds import HOUR_S, OTHER, Kind

BOUNDS = {
    Kind.SERVICE: 500,
    Kind.ADDRESS: 200,
    Kind.INSTANCE: 200,
    Kind.ENDPOINT: 500,
    Kind.CLIENT_RELATION: 200,
    Kind.SERVER_RELATION: 200,
    Kind.CLIENT_INSTANCE_RELATION: 200,
    Kind.SERVER_INSTANCE_RELATION: 200,
}
"""Most entities in an hour: services and addresses in all, instances and endpoints of each service, relations of each
source."""
HELD = 20_000
"""Entities kept in memory, about 300 bytes each."""

Name = tuple[int, int, str, int]
"""kind, owner, name, peer."""


class Entities:
    """Entities of the recent past in memory, and the table behind them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held: dict[Name, tuple[int, int]] = {}
        self._admitted: dict[int, dict[tuple[int, int], set[tuple[str, int]]]] = {}
        self._told: dict[int, tuple[int | str, ...]] = {}
        self._next = self._first_free()
        self.overflowed = 0
        """How often figures went to OTHER."""

    def forget(self) -> None:
        """Drop what is in memory: the table is the truth again."""
        self._held.clear()
        self._admitted.clear()
        self._told.clear()
        self._next = self._first_free()

    def service(self, hour_s: int, name: str) -> int:
        """The number of a service, or of an address, whose name begins with NUL."""
        kind = Kind.SERVICE
        if name[:1] == "\0":
            kind, name = Kind.ADDRESS, name[1:]
        return self.number(hour_s, kind, 0, name)

    def number(self, hour_s: int, kind: Kind, owner: int, name: str, peer: int = 0) -> int:
        """The number of an entity, or of OTHER in its place."""
        if not self._is_admitted(hour_s, kind, owner, name, peer):
            self.overflowed += 1
            name = OTHER
            if kind not in (Kind.SERVICE, Kind.ADDRESS, Kind.INSTANCE, Kind.ENDPOINT):
                # The rest of a source's relations.
                peer = self.number(hour_s, Kind.SERVICE, 0, OTHER)
                name = ""
        key = (int(kind), owner, name, peer)
        known = self._held.get(key)
        if known is None:
            sql = "SELECT id, last_s FROM entity WHERE kind = ? AND owner = ? AND name = ? AND peer = ?"
            known = self._connection.execute(sql, key).fetchone()
        if known is None:
            known = (self._next, -1)
            self._next += 1
        number, last_s = known
        if hour_s > last_s:
            self._told[number] = (number, *key, hour_s)
        self._held[key] = (number, max(hour_s, last_s))
        return number

    def store(self) -> None:
        """Write what is new, inside the caller's transaction."""
        many.put(self._connection, "REPLACE", "entity", list(self._told.values()))
        self._told.clear()
        if len(self._held) > HELD:
            self._held.clear()
        while len(self._admitted) > 2:
            del self._admitted[next(iter(self._admitted))]

    def _is_admitted(self, hour_s: int, kind: Kind, owner: int, name: str, peer: int) -> bool:
        if name == OTHER:
            return True
        by_owner = self._admitted.get(hour_s)
        if by_owner is None:
            by_owner = self._admitted[hour_s] = self._load(hour_s)
        admitted = by_owner.setdefault((kind, owner), set())
        if (name, peer) in admitted:
            return True
        if len(admitted) >= BOUNDS[kind]:
            return False
        admitted.add((name, peer))
        return True

    def _load(self, hour_s: int) -> dict[tuple[int, int], set[tuple[str, int]]]:
        admitted: dict[tuple[int, int], set[tuple[str, int]]] = {}
        sql = "SELECT kind, owner, name, peer FROM entity WHERE last_s >= ?"
        for kind, owner, name, peer in self._connection.execute(sql, (hour_s // HOUR_S * HOUR_S,)):
            admitted.setdefault((kind, owner), set()).add((name, peer))
        return admitted

    def _first_free(self) -> int:
        last = self._connection.execute("SELECT max(id) FROM entity").fetchone()[0]
        return int(last or 0) + 1
