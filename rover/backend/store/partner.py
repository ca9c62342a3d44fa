"""The record of the same exchange at the other end of its connection, if that was seen too.

Nothing is stored to find it: of what began about the same time on the other side with the same method and path, it is
the one between the same two addresses, turned round. That costs a page view milliseconds and the writer nothing; an
index of addresses would cost every record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from rover.backend.store.query import lowest_id, records_of
from rover.backend.store.short import NAME_LENGTH, PATH_LENGTH, plain

SKEW_NS = 2 * 10**9
"""Clocks of two nodes differ by less than this."""
LONGEST_WAY_NS = 30 * 10**9
"""A server reads a request at most so long after its client began to write it: it may have waited for a server that was
busy."""
MOST = 20_000
"""So many candidates are looked at, the nearest in time first; it takes a fifth of a second."""


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


def partner(connection: sqlite3.Connection, record: bytes) -> bytes | None:
    """The other end's record as JSON; None if it is not, or no longer, stored."""
    mine = msgspec.json.decode(record, type=_Half)
    nearest: tuple[int, bytes] | None = None
    for candidate in _candidates(connection, mine):
        other = msgspec.json.decode(candidate, type=_Half)
        apart_ns = _apart_ns(mine, other) if _is_same_exchange(mine, other) else None
        if apart_ns == 0:
            return candidate
        if apart_ns is not None and apart_ns <= _most_apart_ns(mine, other):
            nearest = min(nearest or (apart_ns, candidate), (apart_ns, candidate))
    return nearest[1] if nearest else None


def _candidates(connection: sqlite3.Connection, mine: _Half) -> Iterator[bytes]:
    """Records of the other side with the same method and path, the most likely first: a client begins before its
    server."""
    start_ns = mine.wall_ns
    if mine.side == "server":
        side, first_ns, end_ns, order = "client", start_ns - LONGEST_WAY_NS - SKEW_NS, start_ns + SKEW_NS, "DESC"
    else:
        length_ns = min(mine.end_ns - mine.start_ns, LONGEST_WAY_NS)
        side, first_ns, end_ns, order = "server", start_ns - SKEW_NS, start_ns + length_ns + SKEW_NS, "ASC"
    sql = f"""
        SELECT number FROM exchange WHERE id >= ? AND id < ? AND side = ? AND method IS ? AND path IS ?
        ORDER BY id {order} LIMIT ?
    """  # noqa: S608
    values = (
        lowest_id(first_ns),
        lowest_id(end_ns),
        side,
        plain(mine.method, NAME_LENGTH),
        plain(mine.path, PATH_LENGTH),
        MOST,
    )
    numbers = [number for (number,) in connection.execute(sql, values)]
    return records_of(connection, numbers)


def _is_same_exchange(mine: _Half, other: _Half) -> bool:
    """Whether both are of one connection and have the same place within it."""
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
