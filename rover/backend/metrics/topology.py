"""Who talks to whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rover.backend.metrics.figures import Figures
from rover.backend.metrics.read import Ends, told_of_span
from rover.backend.metrics.span import Span
from rover.backend.store import many
from rover.backend.store.metrics.kinds import Kind


class Node(NamedTuple):
    """A service, an instance of one, or a peer that is known by its address alone."""

    service: str
    instance: str | None = None
    is_real: bool = True
    """False: an address."""


@dataclass(slots=True)
class Call:
    """A relation as its two ends see it; what they differ by is the network. None: that end is not watched."""

    source: Node
    target: Node
    client: Figures | None = None
    server: Figures | None = None

    @property
    def seen(self) -> Figures:
        """One view of it: the server's if there is one."""
        return self.server or self.client or Figures()

    @property
    def detect_points(self) -> list[str]:
        """Which ends told it, as OAP writes it."""
        return [name for name, side in (("CLIENT", self.client), ("SERVER", self.server)) if side is not None]


@dataclass(slots=True)
class Topology:
    """Nodes and calls between them; a node without calls is not in it."""

    nodes: list[Node] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def around(self, services: Iterable[str]) -> Topology:
        """What touches these services."""
        wanted = set(services)
        calls = [call for call in self.calls if call.source.service in wanted or call.target.service in wanted]
        return Topology(_nodes(calls), calls)


def services(connection: sqlite3.Connection, start_s: int, end_s: int) -> Topology:
    """Services that talked within a span of time."""
    return _topology(connection, start_s, end_s, (Kind.CLIENT_RELATION, Kind.SERVER_RELATION), _service_ends)


class MapTold(NamedTuple):
    """What a map of services is made of, as the native side reads it (`_engine.topology_json`)."""

    span: Span
    client: list[str]
    server: list[str]
    services: list[str]
    entities: str


def told_map(connection: sqlite3.Connection, from_ns: int, to_ns: int) -> MapTold:
    """All that was told of services and of calls between them."""
    ends = Ends.of(connection)
    span = Span.of(connection, from_ns, to_ns, ends)
    client, server, seen = (
        told_of_span(connection, kind, span.first_s, span.end_s, ends=ends).texts
        for kind in (Kind.CLIENT_RELATION, Kind.SERVER_RELATION, Kind.SERVICE)
    )
    kinds = [int(kind) for kind in (Kind.SERVICE, Kind.ADDRESS, Kind.CLIENT_RELATION, Kind.SERVER_RELATION)]
    rest = "entity WHERE kind IN (?, ?, ?, ?)"
    entities = many.fetch_text(connection, "id, kind, owner, name, peer", rest, kinds)
    return MapTold(span, client, server, seen, entities)


def instances(connection: sqlite3.Connection, start_s: int, end_s: int, source: str, target: str) -> Topology:
    """Instances of two services that talked to each other within a span of time, in the direction of the call."""
    kinds = (Kind.CLIENT_INSTANCE_RELATION, Kind.SERVER_INSTANCE_RELATION)
    found = _topology(connection, start_s, end_s, kinds, _instance_ends)
    calls = [call for call in found.calls if (call.source.service, call.target.service) == (source, target)]
    return Topology(_nodes(calls), calls)


Pairs = dict[int, tuple[Node, Node]]


def _topology(
    connection: sqlite3.Connection,
    start_s: int,
    end_s: int,
    kinds: tuple[Kind, Kind],
    ends_of: Callable[[sqlite3.Connection, Kind], Pairs],
) -> Topology:
    calls: dict[tuple[Node, Node], Call] = {}
    for kind, side in zip(kinds, ("client", "server"), strict=True):
        told = told_of_span(connection, kind, start_s, end_s)
        ends = ends_of(connection, kind) if told.texts else {}
        for entity, figures in told.by_entity().items():
            # The writer may have removed an entity that nothing tells of any more.
            if entity in ends:
                source, target = ends[entity]
                setattr(calls.setdefault((source, target), Call(source, target)), side, figures)
    ordered = sorted(calls.values(), key=lambda call: (_order(call.source), _order(call.target)))
    return Topology(_nodes(ordered), ordered)


def _order(node: Node) -> tuple[str, str]:
    return node.service, node.instance or ""


def _nodes(calls: Iterable[Call]) -> list[Node]:
    return sorted({end for call in calls for end in (call.source, call.target)}, key=_order)


def _service_ends(connection: sqlite3.Connection, kind: Kind) -> Pairs:
    columns = "relation.id, source.name, source.kind, target.name, target.kind"
    rest = """
        entity AS relation
        JOIN entity AS source ON source.id = relation.owner
        JOIN entity AS target ON target.id = relation.peer
        WHERE relation.kind = ?
    """
    return {
        number: (Node(source, None, source_kind != Kind.ADDRESS), Node(target, None, target_kind != Kind.ADDRESS))
        for number, source, source_kind, target, target_kind in many.fetch(connection, columns, rest, (int(kind),))
    }


def _instance_ends(connection: sqlite3.Connection, kind: Kind) -> Pairs:
    columns = "relation.id, client.name, source.name, server.name, target.name"
    rest = """
        entity AS relation
        JOIN entity AS source ON source.id = relation.owner
        JOIN entity AS client ON client.id = source.owner
        JOIN entity AS target ON target.id = relation.peer
        JOIN entity AS server ON server.id = target.owner
        WHERE relation.kind = ?
    """
    return {
        number: (Node(client, source), Node(server, target))
        for number, client, source, server, target in many.fetch(connection, columns, rest, (int(kind),))
    }
