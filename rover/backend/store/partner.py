"""The record of the same exchange at the other end of its connection, if that was seen too.

Both ends have one number (`same_exchange`), made of addresses, stream, method and path where the row is made. Those of
a batch are one value, so that storing them costs the writer 4 bytes a record, written one after the other; an index
would cost a page of the disk for each. They are looked through only where the time fits, and what has the number is
then compared in full.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from rover.backend.store.query import exchange, lowest_id, records_of
from rover.backend.store.short import NAME_LENGTH, PATH_LENGTH, plain

SKEW_NS = 2 * 10**9
"""Clocks of two nodes differ by less than this."""
LONGEST_WAY_NS = 30 * 10**9
"""A server reads a request at most so long after its client began to write it: it may have waited for a server that was
busy."""
MOST = 20_000
"""So many candidates are looked at, the nearest first; it takes a fifth of a second."""
FIRST = 8
"""So many of them at first: the one that is stored next is nearly always it."""
NUMBER_BYTES = 4


class _End(Struct, frozen=True):
    address: str
    port: int


class _Connection(Struct, frozen=True):
    exchange: int
    stream: int | None


class _Half(Struct, frozen=True):
    """What of a record is compared; all else is skipped."""

    id: str
    start_ns: int
    end_ns: int
    side: str
    method: str | None
    path: str | None
    local: _End
    remote: _End
    connection: _Connection
    flags: list[str]

    @property
    def run(self) -> str:
        """The part of the id that is one per run of an engine: records of one run share a clock."""
        return self.id[16:24]

    @property
    def wall_ns(self) -> int:
        return int(self.id[:16], 16)


def partner(connection: sqlite3.Connection, row_id: str, record: bytes) -> bytes | None:
    """The other end's record as JSON; None if it is not, or no longer, stored."""
    mine = _maybe_half(record)
    if mine is None:
        return None
    nearest: tuple[int, str] | None = None
    span = _span(mine)
    for candidate in _candidates(connection, mine, row_id, span):
        other = _maybe_half(candidate)
        if other is None or not _is_within(other, span) or not _is_same_exchange(mine, other):
            continue
        apart_ns = _apart_ns(mine, other)
        if apart_ns <= _most_apart_ns(mine, other):
            nearest = min(nearest or (apart_ns, other.id), (apart_ns, other.id))
        if apart_ns == 0:
            break
    # By its id: what was unfinished may be there twice.
    return exchange(connection, nearest[1]) if nearest else None


def _maybe_half(record: bytes) -> _Half | None:
    """None for a record of which too little is known: one of another agent, or without addresses."""
    try:
        return msgspec.json.decode(record, type=_Half)
    except msgspec.ValidationError:
        return None


Span = tuple[str, bytes, bytes]
"""Side, and ids from the first to before the last."""


def _span(mine: _Half) -> Span:
    """Where the other end may be: a client begins before its server."""
    start_ns = mine.wall_ns
    if mine.side == "server":
        return "client", lowest_id(start_ns - LONGEST_WAY_NS - SKEW_NS), lowest_id(start_ns + SKEW_NS)
    length_ns = min(mine.end_ns - mine.start_ns, LONGEST_WAY_NS)
    return "server", lowest_id(start_ns - SKEW_NS), lowest_id(start_ns + length_ns + SKEW_NS)


def _is_within(other: _Half, span: Span) -> bool:
    side, first, end = span
    return other.side == side and first <= bytes.fromhex(other.id) < end


def _candidates(connection: sqlite3.Connection, mine: _Half, row_id: str, span: Span) -> Iterator[bytes]:
    """Records that may be it, the most likely first: both ends are stored about the same time."""
    number = connection.execute("SELECT number FROM exchange WHERE id = ?", (bytes.fromhex(row_id),)).fetchone()[0]
    key = _maybe_key(connection, number)
    if key is None:
        yield from records_of(connection, _same_path(connection, mine, span, None))
        return
    found = sorted(_with_key(connection, key, span), key=lambda other: abs(other - number))[:MOST]
    for part in (found[:FIRST], found[FIRST:]):
        yield from records_of(connection, part)
    first_known = _first(connection, "same_exchange")
    if _first(connection, "block") < first_known:
        yield from records_of(connection, _same_path(connection, mine, span, first_known))


def _maybe_key(connection: sqlite3.Connection, number: int) -> bytes | None:
    """What both ends of an exchange have; None: it is not known, or it was stored before there was such a thing."""
    sql = "SELECT first, numbers FROM same_exchange WHERE first <= ? ORDER BY first DESC LIMIT 1"
    first, numbers = connection.execute(sql, (number,)).fetchone() or (0, b"")
    key: bytes = numbers[(number - first) * NUMBER_BYTES :][:NUMBER_BYTES]
    return key if any(key) else None


def _with_key(connection: sqlite3.Connection, key: bytes, span: Span) -> Iterator[int]:
    """Numbers of exchanges that have it, of those stored together with some of a span."""
    sql = """
        SELECT first, numbers FROM zone
        CROSS JOIN same_exchange ON first >= zone.number AND first < zone.number + zone.size
        WHERE last_id >= ? AND first_id < ? AND instr(numbers, ?)
    """
    for first, numbers in connection.execute(sql, (*span[1:], key)):
        at = numbers.find(key)
        while at >= 0:
            if at % NUMBER_BYTES == 0:
                yield first + at // NUMBER_BYTES
            at = numbers.find(key, at + 1)


def _same_path(connection: sqlite3.Connection, mine: _Half, span: Span, before: int | None) -> list[int]:
    """Numbers below `before` of exchanges of a span with the same method and path: each is looked at."""
    side, first, end = span
    order = "DESC" if side == "client" else "ASC"
    sql = f"""
        SELECT number FROM exchange WHERE id >= ? AND id < ? AND side = ? AND method IS ? AND path IS ?
        {"" if before is None else f"AND number < {before}"} ORDER BY id {order} LIMIT ?
    """  # noqa: S608
    values = (first, end, side, plain(mine.method, NAME_LENGTH), plain(mine.path, PATH_LENGTH), MOST)
    return [number for (number,) in connection.execute(sql, values)]


def _first(connection: sqlite3.Connection, table: Literal["block", "same_exchange"]) -> int:
    """The lowest number in it; above any if it is empty."""
    found = connection.execute(f"SELECT first FROM {table} ORDER BY first LIMIT 1").fetchone()  # noqa: S608
    return found[0] if found else sys.maxsize


def _is_same_exchange(mine: _Half, other: _Half) -> bool:
    """Whether both are of one connection and have the same place within it."""
    if mine.method != other.method or plain(mine.path, PATH_LENGTH) != plain(other.path, PATH_LENGTH):
        return False
    if (mine.local, mine.remote) != (other.remote, other.local):
        return False
    if mine.connection.stream != other.connection.stream:
        return False
    return not _is_counted(mine, other) or mine.connection.exchange == other.connection.exchange


def _is_counted(mine: _Half, other: _Half) -> bool:
    """Who joined a connection late counts its exchanges from there."""
    return "pre_existing" not in (*mine.flags, *other.flags)


def _apart_ns(mine: _Half, other: _Half) -> int:
    """Time between the end of the one and the start of the other; 0: they overlap."""
    start_ns, other_start_ns = (
        (mine.start_ns, other.start_ns) if mine.run == other.run else (mine.wall_ns, other.wall_ns)
    )
    end_ns, other_end_ns = start_ns + mine.end_ns - mine.start_ns, other_start_ns + other.end_ns - other.start_ns
    return max(0, start_ns - other_end_ns, other_start_ns - end_ns)


def _most_apart_ns(mine: _Half, other: _Half) -> int:
    """Two clocks differ, and a client's record without a response ends before its server's begins. Both need the number
    within the connection to tell one exchange from the next."""
    is_cut = not {"unfinished", "no_response"}.isdisjoint((*mine.flags, *other.flags))
    return SKEW_NS if _is_counted(mine, other) and (mine.run != other.run or is_cut) else 0
