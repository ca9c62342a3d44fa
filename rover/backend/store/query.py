"""What the API asks of the store. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rover.backend.store import blocks
from rover.backend.store.filter import Filter


@dataclass(frozen=True, slots=True)
class Page:
    """Records newest first, each as JSON; `next` is the id to go on from, None at the end."""

    records: list[bytes]
    next: str | None


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
