"""Calls, failures, bytes and durations per minute and per hour, of each service and each endpoint.

Kept up by the writer in the transaction that stores the rows, so that figures and exchanges never disagree. Counted are
finished server-side records; a record counts in the minute in which it started. A failure is a status of 500 and
above, or no response.

What a client asks for becomes an endpoint, so their number is bounded: per service and hour the first ENDPOINTS pairs
of method and path have figures of their own, the rest share those of OTHER; services likewise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from rover.backend.store import histogram, many
from rover.backend.store.short import Stored, is_unfinished

MINUTE_S = 60
HOUR_S = 3600
ENDPOINTS = 200
SERVICES = 500
OTHER = "(other)"
"""Path, or service, of all that is beyond the bounds."""
UNKNOWN = "(unknown)"
"""Service of records whose process has no name."""
PATH_LENGTH = 256
"""Longer paths share the figures of OTHER: what one row takes is bounded, too."""
HELD = 2048
"""Figures kept in memory between batches (about 4 KB each); others are read again when they are needed."""

Key = tuple[int, int, str, str | None, str | None]
"""step_s, start_s, service, method, path; the last two are None for the whole service, "" where the record has none."""


@dataclass(slots=True)
class Figures:
    """Sums over the calls of one step."""

    calls: int = 0
    failures: int = 0
    bytes: int = 0
    durations: histogram.Buckets = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    calls: int = 0
    failures: int = 0
    bytes: int = 0
    durations_ns: list[int] = field(default_factory=list)


class FigureBook:
    """The figures of the recent past in memory, and the tables behind them. Belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held: dict[Key, Figures] = {}
        self._services: dict[int, set[str]] = {}
        self._endpoints: dict[tuple[int, str], set[tuple[str, str]]] = {}

    def add(self, pairs: Iterable[Stored]) -> None:
        """Count these rows, inside the caller's transaction."""
        touched: dict[Key, Figures] = {}
        for (minute, service, method, path), group in _grouped(pairs).items():
            hour_s = minute * MINUTE_S // HOUR_S * HOUR_S
            service = self._admitted_service(hour_s, service)
            method, path = self._admitted_endpoint(hour_s, service, method, path)
            durations = histogram.count(group.durations_ns)
            for step_s, start_s in ((MINUTE_S, minute * MINUTE_S), (HOUR_S, hour_s)):
                for key in ((step_s, start_s, service, None, None), (step_s, start_s, service, method, path)):
                    figures = touched[key] = self._figures(key)
                    figures.calls += group.calls
                    figures.failures += group.failures
                    figures.bytes += group.bytes
                    histogram.add(figures.durations, durations)
        self._store(touched)
        self._release()

    def forget(self) -> None:
        """Drop what is in memory: the tables are the truth again."""
        self._held.clear()
        self._services.clear()
        self._endpoints.clear()

    def _figures(self, key: Key) -> Figures:
        figures = self._held.pop(key, None) or self._load(key)
        self._held[key] = figures  # last in the dict: most recently used
        return figures

    def _load(self, key: Key) -> Figures:
        step_s, start_s, service, method, path = key
        columns = "SELECT calls, failures, bytes, durations FROM"
        if method is None:
            sql = f"{columns} service_figures WHERE step_s = ? AND start_s = ? AND service = ?"
            found = self._connection.execute(sql, (step_s, start_s, service)).fetchone()
        else:
            where = "service = ? AND step_s = ? AND start_s = ? AND method = ? AND path = ?"
            sql = f"{columns} endpoint_figures WHERE {where}"
            found = self._connection.execute(sql, (service, step_s, start_s, method, path)).fetchone()
        if found is None:
            return Figures()
        return Figures(found[0], found[1], found[2], histogram.decode(found[3]))

    def _store(self, touched: dict[Key, Figures]) -> None:
        services: list[tuple[object, ...]] = []
        endpoints: list[tuple[object, ...]] = []
        for (step_s, start_s, service, method, path), figures in touched.items():
            values = (figures.calls, figures.failures, figures.bytes, histogram.encode(figures.durations))
            if method is None:
                services.append((step_s, start_s, service, *values))
            else:
                endpoints.append((service, step_s, start_s, method, path, *values))
        many.put(self._connection, "REPLACE", "service_figures", services)
        many.put(self._connection, "REPLACE", "endpoint_figures", endpoints)

    def _release(self) -> None:
        for key in list(self._held)[: max(0, len(self._held) - HELD)]:
            del self._held[key]
        while len(self._services) > 2:
            del self._services[next(iter(self._services))]
        while len(self._endpoints) > 2 * SERVICES:
            del self._endpoints[next(iter(self._endpoints))]

    def _admitted_service(self, hour_s: int, service: str) -> str:
        admitted = self._services.get(hour_s)
        if admitted is None:
            sql = "SELECT service FROM service_figures WHERE step_s = ? AND start_s = ?"
            admitted = {name for (name,) in self._connection.execute(sql, (HOUR_S, hour_s))}
            self._services[hour_s] = admitted
        if service not in admitted:
            if len(admitted) >= SERVICES:
                return OTHER
            admitted.add(service)
        return service

    def _admitted_endpoint(self, hour_s: int, service: str, method: str, path: str) -> tuple[str, str]:
        admitted = self._endpoints.get((hour_s, service))
        if admitted is None:
            sql = "SELECT method, path FROM endpoint_figures WHERE service = ? AND step_s = ? AND start_s = ?"
            admitted = {(known[0], known[1]) for known in self._connection.execute(sql, (service, HOUR_S, hour_s))}
            self._endpoints[hour_s, service] = admitted
        if (method, path) not in admitted:
            if len(admitted) >= ENDPOINTS or len(path) > PATH_LENGTH:
                return "", OTHER
            admitted.add((method, path))
        return method, path


def _grouped(pairs: Iterable[Stored]) -> dict[tuple[int, str, str, str], _Group]:
    """Rows that count, by minute, service, method and path (as the filters see them)."""
    minute_ns = MINUTE_S * 10**9
    groups: dict[tuple[int, str, str, str], _Group] = {}
    for (_, _, side, service, _, method, path, status, duration_ns, flags), row in pairs:
        if side != "server" or is_unfinished(flags):
            continue
        key = (row[1] // minute_ns, service or UNKNOWN, method or "", path or "")
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group()
        group.calls += 1
        group.failures += status is None or status >= 500
        group.bytes += (row[14] or 0) + (row[15] or 0)
        if duration_ns is not None:
            group.durations_ns.append(duration_ns)
    return groups
