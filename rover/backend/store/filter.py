"""Which exchanges are wanted: the same filter as SQL for what is stored and as a predicate for the live tail."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rover.backend.store.metrics.kinds import OTHER, UNKNOWN
from rover.backend.store.short import Short

ERROR_STATUS = 400
"""From here on `exchange_error` and, of one service, `exchange_service_error` index the rows."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all hold; None asks for nothing."""

    service: str | None = None
    """Exact name; UNKNOWN stands for records whose process has none."""
    method: str | None = None
    """Exact, case included."""
    path: str | None = None
    """Exact, or a pattern with `*` (any run of characters, slashes included) and `?` (one character)."""
    statuses: tuple[tuple[int, int], ...] = ()
    """Any of these ranges, both ends included."""
    slower_ns: int | None = None
    """Duration of at least this; a record without a duration is not slower than anything."""
    side: Literal["server", "client"] | None = None
    peer: str | None = None
    """Exact: the service at the other end, or its address; UNKNOWN: neither is known."""

    def sql(self) -> tuple[list[str], list[object]]:
        """Terms to join with AND, and their parameters."""
        terms: list[str] = []
        values: list[object] = []
        for column, value in (("method", self.method), ("side", self.side)):
            if value is not None:
                terms.append(f"{column} = ?")
                values.append(value)
        if self.service is not None:
            # IS also finds NULL, and uses the index as = does.
            terms.append("service IS ?")
            values.append(None if self.service == UNKNOWN else self.service)
        if self.peer == UNKNOWN:
            terms.append("peer_service IS NULL AND peer_address IS NULL")
        elif self.peer is not None:
            terms.append("(peer_service = ? OR peer_address = ?)")
            values += [self.peer, self.peer]
        if self.path is not None:
            terms.append("path GLOB ?" if _has_wildcard(self.path) else "path = ?")
            values.append(_glob(self.path) if _has_wildcard(self.path) else self.path)
        if self.statuses:
            terms.append(f"({' OR '.join(['status BETWEEN ? AND ?'] * len(self.statuses))})")
            values += [bound for range_ in self.statuses for bound in range_]
            if self._is_errors:
                # SQLite takes a partial index only if its condition stands in the query as it is.
                terms.append(f"status >= {ERROR_STATUS}")
        if self.slower_ns is not None:
            terms.append("duration_ns >= ?")
            values.append(self.slower_ns)
        return terms, values

    def leading_sql(self) -> tuple[list[str], list[object]]:
        """The conditions that an index answers, if there are any: what else is asked is looked up in its rows."""
        terms: list[str] = [f"status >= {ERROR_STATUS}"] if self._is_errors else []
        if self.service is not None:
            return [*terms, "service IS ?"], [None if self.service == UNKNOWN else self.service]
        return terms, []

    @property
    def exact_path(self) -> str | None:
        """The one path that is wanted; None if it is a pattern."""
        return None if self.path is None or _has_wildcard(self.path) else self.path

    @property
    def _is_errors(self) -> bool:
        return bool(self.statuses) and min(first for first, _ in self.statuses) >= ERROR_STATUS

    def predicate(self) -> Callable[[Short], bool]:
        """The same conditions on a short row."""
        service = None if self.service == UNKNOWN else self.service
        asks_service = self.service is not None
        path = _path_test(self.path)

        def matches(short: Short) -> bool:
            _, _, side, its_service, peer, method, its_path, status, duration_ns, _, address = short
            return (
                (not asks_service or its_service == service)
                and (self.method is None or method == self.method)
                and (self.side is None or side == self.side)
                and (self.slower_ns is None or (duration_ns is not None and duration_ns >= self.slower_ns))
                and (not self.statuses or (status is not None and _is_within(status, self.statuses)))
                and (self.peer is None or _is_peer(self.peer, peer, address))
                and (path is None or (its_path is not None and path(its_path)))
            )

        return matches


def _is_peer(wanted: str, service: str | None, address: str | None) -> bool:
    return service is None and address is None if wanted == UNKNOWN else wanted in (service, address)


def _has_wildcard(path: str) -> bool:
    return "*" in path or "?" in path


def _glob(path: str) -> str:
    """For GLOB and fnmatch alike: a bracket is a bracket, not the beginning of a class."""
    return path.replace("[", "[[]")


def _path_test(path: str | None) -> Callable[[str], bool] | None:
    if path is None:
        return None
    if not _has_wildcard(path):
        return lambda its_path: its_path == path
    # fnmatch makes atomic groups of the stars, so that no pattern backtracks without end.
    pattern = re.compile(fnmatch.translate(_glob(path)))
    return lambda its_path: pattern.match(its_path) is not None


def _is_within(status: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= status <= last for first, last in ranges)


__all__ = ["OTHER", "UNKNOWN", "Filter"]
