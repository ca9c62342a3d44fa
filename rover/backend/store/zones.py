"""Zones: what is in some thousand exchanges that were stored together, so that a search passes by where nothing fits.

A search for what is rare (a path, a status, a long duration) would read the rows of a whole day. An index of paths
would cost every record a page of the disk; a zone costs 2 bytes a record and is asked without reading a row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import unpack
from typing import TypeVar

from rover.backend.store import many
from rover.backend.store.filter import UNKNOWN, Filter
from rover.backend.store.short import Short

T = TypeVar("T", int, str)

ROWS = 4096
"""Most exchanges of a zone, but for the last batch that is added to it."""
PATH_BITS = 1 << 16
"""A Bloom filter of paths, and of services with their paths: in a zone with 4096 different ones of each, one of 40
others seems to be there; in a usual one none."""
MOST_NAMES = 64
"""Methods, statuses or peers of a zone, beyond which nothing is said of them: senders may invent them."""


@dataclass(slots=True)
class Zone:
    """One that is still added to."""

    number: int
    size: int = 0
    first_id: bytes = b"\xff" * 16
    last_id: bytes = b""
    slowest_ns: int = -1
    methods: set[str] | None = field(default_factory=set)
    """None: too many."""
    statuses: set[int] | None = field(default_factory=set)
    paths: bytearray = field(default_factory=lambda: bytearray(PATH_BITS // 8))
    peers: set[str] | None = field(default_factory=set)
    """Services and addresses at the other ends."""

    def add(self, rows: Sequence[Short]) -> None:
        """Rows with ascending numbers."""
        ids = [row[0] for row in rows]
        self.size = rows[-1][1] + 1 - self.number
        self.first_id, self.last_id = min(self.first_id, *ids), max(self.last_id, *ids)
        self.slowest_ns = max([self.slowest_ns, *(row[8] for row in rows if row[8] is not None)])
        self.methods = _few(self.methods, {row[5] for row in rows if row[5] is not None})
        self.statuses = _few(self.statuses, {row[7] for row in rows if row[7] is not None})
        self.peers = _few(self.peers, {peer for row in rows for peer in (row[4], row[10]) if peer is not None})
        endpoints = {(row[3], row[6]) for row in rows if row[6] is not None}
        told = {path for _, path in endpoints} | {_of_service(*each) for each in endpoints if each[0] is not None}
        for text in told:
            for bit in _bits(text):
                self.paths[bit >> 3] |= 1 << (bit & 7)

    def row(self) -> tuple[object, ...]:
        """As it is stored."""
        methods, statuses, peers = (
            None if each is None else json.dumps(sorted(each)) for each in (self.methods, self.statuses, self.peers)
        )
        ids = self.first_id, self.last_id
        return (self.number, self.size, *ids, self.slowest_ns, methods, statuses, bytes(self.paths), peers)


class Zones:
    """Keeps the zones up, in the transaction that stores their rows. Belongs to the writer thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._open: Zone | None = None

    def add(self, rows: Sequence[Short]) -> None:
        """These rows were inserted; inside the caller's transaction."""
        if not rows:
            return
        if self._open is None or self._open.size >= ROWS:
            self._open = Zone(rows[0][1])
        self._open.add(rows)
        many.put(self._connection, "REPLACE", "zone", [self._open.row()])

    def forget(self) -> None:
        """What was added last was not stored. The next zone begins with what comes next."""
        self._open = None


def remove(connection: sqlite3.Connection, before: int) -> None:
    """No exchange has a number below `before` any more."""
    connection.execute("DELETE FROM zone WHERE number + size <= ?", (before,))


def spans(connection: sqlite3.Connection, wanted: Filter, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Parts of a span of ids outside of which nothing fits, the newest first."""
    terms, values = _terms(wanted)
    if not terms:
        yield first, end
        return
    where = " AND ".join(["last_id >= ?", "first_id < ?", *terms])
    found = many.fetch(connection, "hex(last_id), hex(first_id)", f"zone WHERE {where}", [first, end, *values])
    stop, start = b"", b""
    for last_id, first_id in sorted(((bytes.fromhex(last), bytes.fromhex(low)) for last, low in found), reverse=True):
        if stop and last_id < start:
            yield max(first, start), min(end, stop)
            stop = b""
        stop, start = stop or last_id + b"\0", min(start, first_id) if stop else first_id
    if stop:
        yield max(first, start), min(end, stop)


def _terms(wanted: Filter) -> tuple[list[str], list[object]]:
    """What a zone must have, NULL being anything."""
    terms: list[str] = []
    values: list[object] = []
    if wanted.slower_ns is not None:
        terms.append("ifnull(slowest_ns >= ?, 1)")
        values.append(wanted.slower_ns)
    peer = None if wanted.peer == UNKNOWN else wanted.peer
    for names, name in (("methods", wanted.method), ("peers", peer)):
        if name is not None:
            terms.append(f"({names} IS NULL OR EXISTS (SELECT 1 FROM json_each({names}) WHERE value = ?))")  # noqa: S608
            values.append(name)
    if wanted.statuses:
        ranges = " OR ".join(["value BETWEEN ? AND ?"] * len(wanted.statuses))
        terms.append(f"(statuses IS NULL OR EXISTS (SELECT 1 FROM json_each(statuses) WHERE {ranges}))")  # noqa: S608
        values += [bound for range_ in wanted.statuses for bound in range_]
    if wanted.exact_path is not None:
        # Many services may have a path; that of one of them says more.
        is_of_one = wanted.service not in (None, UNKNOWN)
        for bit in _bits(_of_service(wanted.service, wanted.exact_path) if is_of_one else wanted.exact_path):
            # One byte of the filter, as two hexadecimal digits; among those in which this bit is set.
            terms.append(f"(paths IS NULL OR hex(substr(paths, ?, 1)) IN ({_with_bit(bit & 7)}))")
            values.append((bit >> 3) + 1)
    return terms, values


def _with_bit(bit: int) -> str:
    return ", ".join(f"'{byte:02X}'" for byte in range(256) if byte >> bit & 1)


def _of_service(service: str | None, path: str) -> str:
    """Names and paths have no NUL."""
    return f"{service}\0{path}"


def _bits(text: str) -> tuple[int, ...]:
    """Four of PATH_BITS."""
    bits: tuple[int, ...] = unpack("<4H", blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())
    return bits


def _few(known: set[T] | None, more: set[T]) -> set[T] | None:
    if known is None or len(known | more) > MOST_NAMES:
        return None
    return known | more
