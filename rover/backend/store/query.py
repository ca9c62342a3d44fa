"""What the API asks of the store. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rover.backend.store import blocks, histogram
from rover.backend.store.figures import HOUR_S, MINUTE_S, Figures
from rover.backend.store.filter import Filter

SECOND_NS = 10**9
SPARK_BARS = 60
"""A spark line has at most about so many bars."""
BAR_WIDTHS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
BY_MINUTE_S = 6 * HOUR_S
"""Up to this span minutes are added up; above, hours where there are whole ones."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records newest first, each as JSON; `next` is the id to go on from, None at the end."""

    records: list[bytes]
    next: str | None


@dataclass(slots=True)
class Summary:
    """Sums over a span of time for one service or endpoint."""

    figures: Figures = field(default_factory=Figures)
    spark: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in whole minutes, and how its spark lines are divided."""

    first_s: int
    end_s: int
    bar_s: int

    @classmethod
    def of(cls, from_ns: int, to_ns: int) -> Span:
        """The whole minutes that hold `from_ns` to `to_ns`."""
        first_s = from_ns // SECOND_NS // MINUTE_S * MINUTE_S
        end_s = max(first_s + MINUTE_S, -(-to_ns // SECOND_NS // MINUTE_S) * MINUTE_S)
        length_s = end_s - first_s
        narrowest_s = MINUTE_S if length_s <= BY_MINUTE_S else HOUR_S
        fitting = (width for width in BAR_WIDTHS_S if width >= narrowest_s and length_s <= width * SPARK_BARS)
        return cls(first_s, end_s, next(fitting, BAR_WIDTHS_S[-1]))

    def pieces(self) -> Iterator[tuple[int, int, int]]:
        """`(step_s, from_s, end_s)`: hours where there are whole ones, minutes at both ends."""
        first_hour_s = -(-self.first_s // HOUR_S) * HOUR_S
        end_hour_s = self.end_s // HOUR_S * HOUR_S
        if self.end_s - self.first_s <= BY_MINUTE_S or first_hour_s >= end_hour_s:
            yield MINUTE_S, self.first_s, self.end_s
            return
        if self.first_s < first_hour_s:
            yield MINUTE_S, self.first_s, first_hour_s
        yield HOUR_S, first_hour_s, end_hour_s
        if end_hour_s < self.end_s:
            yield MINUTE_S, end_hour_s, self.end_s

    def bar(self, start_s: int) -> int:
        """Number of the bar in which a step starts; bars begin at multiples of their width."""
        return start_s // self.bar_s - self.first_s // self.bar_s

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return self.bar(self.end_s - 1) + 1


def services(connection: sqlite3.Connection, span: Span) -> dict[str, Summary]:
    """Figures of each service that was called within the span."""
    sql = """
        SELECT start_s, calls, failures, bytes, durations, service FROM service_figures
        WHERE step_s = ? AND start_s >= ? AND start_s < ?
    """
    found: dict[str, Summary] = {}
    for piece in span.pieces():
        for *values, service in connection.execute(sql, piece):
            _add(found.setdefault(service, Summary()), span, *values)
    return found


def endpoints(connection: sqlite3.Connection, service: str, span: Span) -> dict[tuple[str, str], Summary]:
    """Figures of each method and path of a service; "" is a method or path that the record does not have."""
    sql = """
        SELECT start_s, calls, failures, bytes, durations, method, path FROM endpoint_figures
        WHERE service = ? AND step_s = ? AND start_s >= ? AND start_s < ?
    """
    found: dict[tuple[str, str], Summary] = {}
    for piece in span.pieces():
        for *values, method, path in connection.execute(sql, (service, *piece)):
            _add(found.setdefault((method, path), Summary()), span, *values)
    return found


def first_minute_s(connection: sqlite3.Connection) -> int | None:
    """Start of the oldest minute of which there are figures."""
    sql = "SELECT start_s FROM service_figures WHERE step_s = ? ORDER BY start_s LIMIT 1"
    found = connection.execute(sql, (MINUTE_S,)).fetchone()
    return int(found[0]) if found else None


def exchanges(
    connection: sqlite3.Connection,
    wanted: Filter,
    from_ns: int,
    to_ns: int,
    *,
    before: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Page:
    """Records that began within [from_ns, to_ns) and match, newest first.

    With `before` those older than that id. With `after` the ones that follow that id directly; `next` then is the
    newest of them, to go on from in the same direction."""
    terms, values = wanted.sql()
    first, end = lowest_id(from_ns), lowest_id(to_ns)
    if before is not None:
        end = min(end, bytes.fromhex(before))
    if after is not None:
        first = max(first, bytes.fromhex(after) + b"\0")
    order = "DESC" if after is None else "ASC"
    where = " AND ".join(["id >= ?", "id < ?", *terms])
    sql = f"SELECT id, number FROM exchange WHERE {where} ORDER BY id {order} LIMIT ?"  # noqa: S608
    found = connection.execute(sql, [first, end, *values, limit + 1]).fetchall()
    is_more, found = len(found) > limit, found[:limit]
    following = found[-1][0].hex() if is_more else None
    if after is not None:
        found.reverse()
    return Page(list(records_of(connection, [number for _, number in found])), following)


def sampled_one_in(connection: sqlite3.Connection, from_ns: int, to_ns: int) -> float | None:
    """Of how many ordinary exchanges one is stored, over the minutes in which they were sampled."""
    span = from_ns // SECOND_NS // MINUTE_S * MINUTE_S, -(-to_ns // SECOND_NS)
    sql = "SELECT sum(seen), sum(stored) FROM sampled WHERE start_s >= ? AND start_s < ?"
    seen, stored = connection.execute(sql, span).fetchone()
    return round(seen / max(1, stored), 1) if seen else None


def exchange(connection: sqlite3.Connection, row_id: str) -> bytes | None:
    """The record of this id as JSON; None if it is not, or no longer, stored."""
    found = connection.execute("SELECT number FROM exchange WHERE id = ?", (bytes.fromhex(row_id),)).fetchone()
    return next(records_of(connection, [found[0]]), None) if found else None


def records_of(connection: sqlite3.Connection, numbers: Iterable[int]) -> Iterator[bytes]:
    """The records of these numbers in this order; those of a damaged block are left out."""
    sql = "SELECT first, size, records FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1"
    held: dict[int, bytes] = {}
    for number in numbers:
        if number not in held:
            first, size, packed = connection.execute(sql, (number,)).fetchone() or (0, 0, b"")
            if len(held) > 100 * blocks.ROWS:
                held.clear()
            try:
                held.update(zip(range(first, first + size), blocks.unpack(packed), strict=False))
            except zlib.error:
                continue
        if number in held:
            yield held[number]


def lowest_id(time_ns: int) -> bytes:
    """No id of a record that began at `time_ns` or later is smaller."""
    return min(max(time_ns, 0), (1 << 63) - 1).to_bytes(8, "big")


def _add(summary: Summary, span: Span, start_s: int, calls: int, failures: int, moved: int, durations: bytes) -> None:
    figures = summary.figures
    figures.calls += calls
    figures.failures += failures
    figures.bytes += moved
    histogram.add(figures.durations, histogram.decode(durations))
    summary.spark = summary.spark or [0] * span.bars
    summary.spark[span.bar(start_s)] += calls
