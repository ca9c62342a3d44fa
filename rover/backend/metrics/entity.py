"""Who has metrics, by name."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rover.backend.store.metrics.kinds import Kind


@dataclass(frozen=True, slots=True)
class Entity:
    """A service; an instance or endpoint of it; or the relation of two services or instances, source first."""

    service: str
    instance: str | None = None
    endpoint: str | None = None
    peer_service: str | None = None
    peer_instance: str | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds in the store: for a relation the client's view and the server's."""
        if self.peer_service is not None:
            if self.instance is not None or self.peer_instance is not None:
                return Kind.CLIENT_INSTANCE_RELATION, Kind.SERVER_INSTANCE_RELATION
            return Kind.CLIENT_RELATION, Kind.SERVER_RELATION
        if self.endpoint is not None:
            return (Kind.ENDPOINT,)
        return (Kind.SERVICE,) if self.instance is None else (Kind.INSTANCE,)


def find(connection: sqlite3.Connection, entity: Entity, kind: Kind) -> tuple[int, int] | None:
    """Owner and number in the store; None if the entity has never been told."""
    owner = _service(connection, entity.service)
    if owner is None:
        return None
    if kind is Kind.SERVICE:
        return owner, owner
    if kind in (Kind.INSTANCE, Kind.ENDPOINT):
        name = entity.instance if kind is Kind.INSTANCE else entity.endpoint
        return _with_owner(owner, _number(connection, kind, owner, name or ""))
    peer = _service(connection, entity.peer_service or "")
    if peer is None:
        return None
    if kind in (Kind.CLIENT_RELATION, Kind.SERVER_RELATION):
        return _with_owner(owner, _number(connection, kind, owner, "", peer))
    source = _number(connection, Kind.INSTANCE, owner, entity.instance or "")
    target = _number(connection, Kind.INSTANCE, peer, entity.peer_instance or "")
    if source is None or target is None:
        return None
    return _with_owner(owner, _number(connection, kind, source, "", target))


def _with_owner(owner: int, number: int | None) -> tuple[int, int] | None:
    return None if number is None else (owner, number)


def _service(connection: sqlite3.Connection, name: str) -> int | None:
    return _number(connection, Kind.SERVICE, 0, name) or _number(connection, Kind.ADDRESS, 0, name)


def _number(connection: sqlite3.Connection, kind: Kind, owner: int, name: str, peer: int = 0) -> int | None:
    sql = "SELECT id FROM entity WHERE kind = ? AND owner = ? AND name = ? AND peer = ?"
    found = connection.execute(sql, (int(kind), owner, name, peer)).fetchone()
    return int(found[0]) if found else None
