"""What pages and GraphQL ask: one object over the store, every question one snapshot of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from rover.backend.metrics import topology
from rover.backend.metrics.catalogue import METRICS, Value
from rover.backend.metrics.entity import Entity, find
from rover.backend.metrics.figures import Figures
from rover.backend.metrics.read import told_by_step, told_of_span
from rover.backend.metrics.span import Span
from rover.backend.metrics.topology import MapTold, Topology
from rover.backend.store import Store, many
from rover.backend.store.metrics.kinds import STEPS_S, Kind

POINTS = 1500
"""Most points of a series: a day of minutes."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line of a `top`."""

    entity: Entity
    value: float


@dataclass(frozen=True, slots=True)
class Sparked:
    """An entity over a span of time, and its calls by bar."""

    figures: Figures
    spark: list[int]


class Metrics:
    """Metrics of a store. Any thread may ask; every method raises TimeoutError if the query takes too long, and
    OSError if the file cannot be read. Spans are Unix seconds, from `start_s` to before `end_s`, in whole minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def span(self, from_ns: int, to_ns: int) -> Span:
        """The whole steps that hold a span, and how much of it was watched."""
        return self._store.ask(lambda connection: Span.of(connection, from_ns, to_ns))

    def sparked(self, kind: Kind, span: Span, service: str | None = None) -> dict[str, Sparked]:
        """All services, or instances or endpoints of one service, with their calls over time, by name."""
        return self._store.ask(lambda connection: _sparked(connection, kind, span, service))

    def bars(self, service: str, endpoint: str | None, span: Span) -> list[Figures]:
        """Figures of a service, or of one of its endpoints, for each bar of a span."""

        def ask(connection: sqlite3.Connection) -> list[Figures]:
            kind = Kind.SERVICE if endpoint is None else Kind.ENDPOINT
            known = find(connection, Entity(service, endpoint=endpoint), kind)
            if known is None:
                return [Figures() for _ in range(span.bars)]
            told = told_of_span(connection, kind, span.first_s, span.end_s, *known, longest_s=span.longest_s)
            found = told.by_step(span.bar_s)
            return [found.get(step) or Figures() for step in span.steps]

        return self._store.ask(ask)

    def services(self, start_s: int, end_s: int) -> dict[str, Figures]:
        """Figures of each service that was told within a span: the calls that it served, and all its TCP traffic."""
        return self._store.ask(lambda connection: _named(connection, Kind.SERVICE, start_s, end_s, None))

    def instances(self, service: str, start_s: int, end_s: int) -> dict[str, Figures]:
        """Figures of each instance of a service."""
        return self._of_service(service, Kind.INSTANCE, start_s, end_s)

    def endpoints(self, service: str, start_s: int, end_s: int) -> dict[str, Figures]:
        """Figures of each endpoint (`GET:/users/{id}`) of a service; they have calls only."""
        return self._of_service(service, Kind.ENDPOINT, start_s, end_s)

    def told_services(self, start_s: int, end_s: int) -> list[str]:
        """Services that were told within a span by an agent beside them, not as somebody's peer alone."""

        def ask(connection: sqlite3.Connection) -> list[str]:
            names = _names(connection, Kind.SERVICE, None)
            told = told_of_span(connection, Kind.SERVICE, start_s, end_s).by_entity()
            return sorted(names[number].service for number in told if number in names)

        return self._store.ask(ask)

    def known_members(self, service: str, kind: Kind) -> dict[str, int]:
        """Instances or endpoints of a service, and the last hour (Unix time) in which each was told."""

        def ask(connection: sqlite3.Connection) -> dict[str, int]:
            owner = find(connection, Entity(service), Kind.SERVICE)
            return {} if owner is None else _known(connection, kind, owner[0])

        return self._store.ask(ask)

    def figures(self, entity: Entity, start_s: int, end_s: int) -> tuple[Figures | None, Figures | None]:
        """Figures of one entity: of a relation the client's view and the server's, else the same twice.

        None: there are none."""

        def ask(connection: sqlite3.Connection) -> tuple[Figures | None, Figures | None]:
            views = [_total(connection, entity, kind, start_s, end_s) for kind in entity.kinds]
            return views[0], views[-1]

        return self._store.ask(ask)

    def history(
        self, entity: Entity, start_s: int, end_s: int, step_s: int
    ) -> list[tuple[int, Figures | None, Figures | None]]:
        """Figures of one entity by steps of `step_s`, a multiple of a minute: start of each step that has any, and its
        figures as `figures` gives them. A step begins at a multiple of its length.

        Raises ValueError for a step that is none, or more than POINTS of them."""

        def ask(connection: sqlite3.Connection) -> list[tuple[int, Figures | None, Figures | None]]:
            views = [_history(connection, entity, kind, start_s, end_s, step_s) for kind in entity.kinds]
            starts = sorted({start for view in views for start in view})
            return [(start, views[0].get(start), views[-1].get(start)) for start in starts]

        if step_s <= 0 or step_s % STEPS_S[0] or (end_s - start_s) // step_s > POINTS:
            raise ValueError(f"{step_s} s is no step for a span of {end_s - start_s} s")
        return self._store.ask(ask)

    def series(self, metric: str, entity: Entity, start_s: int, end_s: int, step_s: int) -> list[Value | None]:
        """One value of a metric for each step of a span (see `history`), None where nothing happened.

        Raises KeyError: no such metric."""
        known = METRICS[metric]
        values = {
            start: known.value(figures, step_s)
            for start, client, server in self.history(entity, start_s, end_s, step_s)
            for figures in [known.view(client, server)]
            if figures is not None
        }
        return [values.get(start) for start in range(start_s // step_s * step_s, end_s, step_s)]

    def top(
        self, metric: str, most: int, start_s: int, end_s: int, *, ascending: bool = False, service: str | None = None
    ) -> list[Ranked]:
        """Services, instances or endpoints (of all services, or one) with the greatest values of a metric over a span.

        Raises KeyError: no such metric; ValueError: it is one of relations."""
        known = METRICS[metric]
        kinds = {"Service": Kind.SERVICE, "ServiceInstance": Kind.INSTANCE, "Endpoint": Kind.ENDPOINT}
        kind = kinds.get(known.scope)
        if kind is None or known.function == "percentile":
            raise ValueError(f"{metric} has no order")
        found = self._store.ask(lambda connection: _by_entity(connection, kind, start_s, end_s, service))
        ranked = [
            Ranked(entity, value)
            for entity, figures in found.items()
            for value in [known.value(figures, max(60, end_s - start_s))]
            if isinstance(value, int)
        ]
        ranked.sort(key=lambda line: (line.value if ascending else -line.value, str(line.entity)))
        return ranked[:most]

    def told_map(self, from_ns: int, to_ns: int) -> MapTold:
        """What `topology` is made of, for whole steps that hold a span of nanoseconds, and that span."""
        return self._store.ask(lambda connection: topology.told_map(connection, from_ns, to_ns))

    def topology(self, start_s: int, end_s: int) -> Topology:
        """Services, peers without a name, and calls between them; `Topology.around` narrows it."""
        return self._store.ask(lambda connection: topology.services(connection, start_s, end_s))

    def instance_topology(self, source: str, target: str, start_s: int, end_s: int) -> Topology:
        """Instances of two services and calls from the first to the second."""
        return self._store.ask(lambda connection: topology.instances(connection, start_s, end_s, source, target))

    def _of_service(self, service: str, kind: Kind, start_s: int, end_s: int) -> dict[str, Figures]:
        def ask(connection: sqlite3.Connection) -> dict[str, Figures]:
            known = find(connection, Entity(service), Kind.SERVICE)
            return {} if known is None else _named(connection, kind, start_s, end_s, known[0])

        return self._store.ask(ask)


def _known(connection: sqlite3.Connection, kind: Kind, owner: int) -> dict[str, int]:
    sql = "SELECT name, last_s FROM entity WHERE kind = ? AND owner = ?"
    return dict(connection.execute(sql, (int(kind), owner)).fetchall())


def _total(connection: sqlite3.Connection, entity: Entity, kind: Kind, start_s: int, end_s: int) -> Figures | None:
    known = find(connection, entity, kind)
    if known is None:
        return None
    return told_of_span(connection, kind, start_s, end_s, *known).total()


def _history(
    connection: sqlite3.Connection, entity: Entity, kind: Kind, start_s: int, end_s: int, step_s: int
) -> dict[int, Figures]:
    known = find(connection, entity, kind)
    if known is None:
        return {}
    stored_s = max(stored for stored in STEPS_S if step_s % stored == 0)
    told = told_by_step(connection, kind, start_s // step_s * step_s, end_s, stored_s, *known)
    return {step * step_s: figures for step, figures in told.by_step(step_s).items()}


def _named(
    connection: sqlite3.Connection, kind: Kind, start_s: int, end_s: int, owner: int | None
) -> dict[str, Figures]:
    found = _summed_by_entity(connection, kind, start_s, end_s, owner)
    return {entity.instance or entity.endpoint or entity.service: figures for entity, figures in found.items()}


def _by_entity(
    connection: sqlite3.Connection, kind: Kind, start_s: int, end_s: int, service: str | None
) -> dict[Entity, Figures]:
    owner = None
    if service is not None:
        known = find(connection, Entity(service), Kind.SERVICE)
        if known is None:
            return {}
        owner = known[0]
    return _summed_by_entity(connection, kind, start_s, end_s, owner)


def _summed_by_entity(
    connection: sqlite3.Connection, kind: Kind, start_s: int, end_s: int, owner: int | None
) -> dict[Entity, Figures]:
    names = _names(connection, kind, owner)
    sums = told_of_span(connection, kind, start_s, end_s, owner).by_entity()
    return {names[number]: figures for number, figures in sums.items() if number in names}


def _sparked(connection: sqlite3.Connection, kind: Kind, span: Span, service: str | None) -> dict[str, Sparked]:
    owner = None if service is None else find(connection, Entity(service), Kind.SERVICE)
    if service is not None and owner is None:
        return {}
    number = None if owner is None else owner[0]
    names = _names(connection, kind, number)
    told = told_of_span(connection, kind, span.first_s, span.end_s, number, longest_s=span.longest_s)
    calls = told.column("http_calls", span.bar_s)
    return {
        entity.instance or entity.endpoint or entity.service: Sparked(
            figures, [calls.get((number, step), 0) for step in span.steps]
        )
        for number, figures in told.by_entity().items()
        for entity in [names.get(number)]
        if entity is not None
    }


def _names(connection: sqlite3.Connection, kind: Kind, owner: int | None) -> dict[int, Entity]:
    if kind is Kind.SERVICE:
        return {
            number: Entity(name)
            for number, name in many.fetch(connection, "id, name", "entity WHERE kind = ?", (int(kind),))
        }
    rest = "entity JOIN entity AS service ON service.id = entity.owner WHERE entity.kind = ?"
    values = [int(kind)]
    if owner is not None:
        rest, values = f"{rest} AND entity.owner = ?", [*values, owner]
    member: Callable[[str, str], Entity] = (
        (lambda service, name: Entity(service, instance=name))
        if kind is Kind.INSTANCE
        else (lambda service, name: Entity(service, endpoint=name))
    )
    return {
        number: member(service, name)
        for number, service, name in many.fetch(connection, "entity.id, service.name, entity.name", rest, values)
    }
