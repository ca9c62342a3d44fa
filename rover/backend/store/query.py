"""What the API asks of the store. Each function gets a read-only connection and works in one snapshot."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rover import _engine
from rover.backend.store import many, zones
from rover.backend.store.filter import Filter
from rover.backend.store.metrics.kinds import MINUTE_S, SECOND_NS

LOOK_S = 0.03
"""A page of exchanges is looked for so long; who asks for more goes on where that ended. What is found must still be
read and sent within a tenth of a second."""
SLICE_ROWS = 4096
MOST_SLICE_ROWS = 16_384
"""Records between two looks at the clock: at first, and at most. The latter take 10 ms."""
MOST_INDEXED_ROWS = 256
"""The same where an index leads to each of them: each may be on a page of the disk of its own."""

AT_ONCE = 128
"""Records whose blocks are in memory together: a block of usual records has 9 KB."""
_BLOCKS = """
    SELECT group_concat(first || ',' || size || ',' || hex(records), ';') FROM block WHERE first IN (
        SELECT (SELECT first FROM block WHERE first <= wanted.value ORDER BY first DESC LIMIT 1)
        FROM json_each(?) AS wanted
    )
"""


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

    With `before` those older than that id; a page has fewer than `limit`, and a `next`, when looking for more would
    take longer than LOOK_S. With `after` the ones that follow that id directly; `next` then is the newest of them, to
    go on from in the same direction."""
    first, end = lowest_id(from_ns), lowest_id(to_ns)
    if after is not None:
        first = max(first, bytes.fromhex(after) + b"\0")
        found = _matching(connection, wanted, first, end, "ASC", limit + 1)
        following = found[limit - 1][0].hex() if len(found) > limit else None
        return Page(_records(connection, found[:limit][::-1]), following)
    if before is not None:
        end = min(end, bytes.fromhex(before))
    deadline = time.monotonic() + LOOK_S
    found = []
    parts = (
        part for span in zones.spans(connection, wanted, first, end) for part in _slices(connection, wanted, *span)
    )
    for start, stop in parts:
        found += _matching(connection, wanted, start, stop, "DESC", limit + 1 - len(found))
        if len(found) > limit:
            return Page(_records(connection, found[:limit]), found[limit - 1][0].hex())
        if start > first and time.monotonic() > deadline:
            return Page(_records(connection, found), start.hex())
    return Page(_records(connection, found), None)


def _slices(connection: sqlite3.Connection, wanted: Filter, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Parts of a span of ids, the newest first: each with so many records that looking at all of them is quick."""
    if wanted == Filter():
        yield first, end
        return
    terms, values = wanted.leading_sql()
    where = " AND ".join(["id >= ?", "id < ?", *terms])
    sql = f"SELECT id FROM exchange WHERE {where} ORDER BY id DESC LIMIT 1 OFFSET ?"  # noqa: S608
    rows = min(SLICE_ROWS, MOST_INDEXED_ROWS) if terms else SLICE_ROWS
    while found := connection.execute(sql, [first, end, *values, rows]).fetchone():
        yield found[0], end
        end = found[0]
        rows = min(2 * rows, MOST_INDEXED_ROWS if terms else MOST_SLICE_ROWS)
    yield first, end


def _matching(
    connection: sqlite3.Connection, wanted: Filter, first: bytes, end: bytes, order: str, limit: int
) -> list[tuple[bytes, int]]:
    """Id and number of records that match."""
    terms, values = wanted.sql()
    where = " AND ".join(["id >= ?", "id < ?", *terms])
    rest = f"(SELECT id, number FROM exchange WHERE {where} ORDER BY id {order} LIMIT ?)"  # noqa: S608
    found = many.fetch(connection, "lower(hex(id)), number", rest, [first, end, *values, limit])
    return [(bytes.fromhex(row_id), number) for row_id, number in found]


def _records(connection: sqlite3.Connection, found: list[tuple[bytes, int]]) -> list[bytes]:
    return list(records_of(connection, [number for _, number in found]))


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


def records_of(connection: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[bytes]:
    """The records of these numbers in this order; those of a damaged block are left out.

    The blocks of AT_ONCE records are one value, and unpacked natively: each row of a result, and each decompression,
    costs the GIL once more, which beside a writer is half a millisecond each time."""
    for start in range(0, len(numbers), AT_ONCE):
        part = list(numbers[start : start + AT_ONCE])
        found = connection.execute(_BLOCKS, (json.dumps(part),)).fetchone()[0]
        if found is not None:
            yield from (record for record in _engine.stored_records(found, part) if record is not None)


def lowest_id(time_ns: int) -> bytes:
    """No id of a record that began at `time_ns` or later is smaller."""
    return min(max(time_ns, 0), (1 << 63) - 1).to_bytes(8, "big")
