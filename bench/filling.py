"""A store with very many exchanges, soon: what `bench.queries` asks.

Every hour has the same traffic. So the figures of the first are folded as the backend folds them, and those of the
others are its packs, an hour further; records are made, packed and compressed by some processes and inserted by one.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import sqlite3
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rover.backend import Row
from rover.backend.store import blocks, many
from rover.backend.store.file import StoreFile
from rover.backend.store.metrics import MetricBook
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, STEPS_S
from rover.backend.store.metrics.packs import add, rows_told
from rover.backend.store.short import Short, shorten
from rover.backend.store.zones import Zones
from tests.backend.rows import record

SERVICES = 40
ENDPOINTS = 25
HOURS = 23
"""Less than the day that minutes are kept."""
HOUR_NS = 3600 * 10**9
CHUNK = 128 * 64
"""Rows that a worker makes at a time: whole blocks."""
WORKERS = 3
FILL_NS = 70_000
"""Filling takes about so long for each: the newest is of the time when it is done."""
STATUSES = [200] * 188 + [304] * 4 + [404] * 6 + [500, 503]
DURATIONS_NS = [int(1.06**n * 200_000) for n in range(150)]
"""0.2 ms to 1.2 s, spread by a logarithm."""
CLIENTS = 10
"""One record in so many is the client's of the exchange before it."""


class Template(NamedTuple):
    """A row of one endpoint with holes for what differs from exchange to exchange."""

    side: str
    service: str
    peer: str
    method: str
    path: str
    text: str


def store_path(folder: Path) -> Path:
    """Where the store is."""
    return folder / "rover.db"


@functools.cache
def templates() -> list[Template]:
    """Each endpoint of each service; every third has an id in its path."""
    found = []
    for service, endpoint in ((service, endpoint) for endpoint in range(ENDPOINTS) for service in range(SERVICES)):
        path = f"/u/%(user)d/e{endpoint}" if endpoint % 3 == 1 else f"/a/e{endpoint}"
        ends = f"service-{service:02}", f"service-{(service * 7 + endpoint) % SERVICES:02}"
        for side, here, there in (("server", *ends), ("client", *reversed(ends))):
            made = record(0, 0, side=side, service=here, peer_service=there, method=["GET", "POST"][endpoint % 2])
            served: dict[str, object] = {"address": "10.0.0.1", "port": 8080}
            asked: dict[str, object] = {"address": "10.0.0.2", "port": "<port>"}
            near, far = (served, asked) if side == "server" else (asked, served)
            marks = {name: f"<{name}>" for name in ("id", "time", "start_ns", "end_ns", "duration_ns", "status")}
            made.update(marks)
            made |= {"path": path, "local": made["local"] | near, "remote": made["remote"] | far}
            made["connection"] |= {"exchange": 1, "id": "<connection>"}
            text = json.dumps(made, separators=(",", ":"))
            for name in ("start_ns", "end_ns", "duration_ns", "status", "port"):
                text = text.replace(f'"<{name}>"', f"%({name})d")
            for name in ("id", "time", "connection"):
                text = text.replace(f"<{name}>", f"%({name})s")
            found.append(Template(side, here, there, made["method"], path, text))
    return found


def rows(count: int, start_ns: int, step_ns: int, first: int, run: int = 0xBE7C4) -> Iterator[Row]:
    """`count` rows, `step_ns` apart, numbered from `first`; the same numbers give the same rows."""
    made = templates()
    for number in range(first, first + count):
        time_ns = start_ns + (number - first) * step_ns
        is_client = number % CLIENTS == CLIENTS - 1
        # The client of the exchange before: of the same endpoint, a moment earlier.
        served = number - is_client
        mixed = served * 2_654_435_761 % (1 << 32)
        template = made[mixed % (SERVICES * ENDPOINTS) * 2 + is_client]
        time_ns -= is_client * (step_ns + 50_000)
        duration_ns = DURATIONS_NS[mixed >> 8 & 127 if mixed >> 16 & 15 else 149] + is_client * 100_000
        status = STATUSES[(mixed >> 12) % len(STATUSES)]
        seconds, rest_ns = divmod(time_ns, 10**9)
        row_id = f"{time_ns:016x}{run:08x}{number:08x}"
        values = {
            "id": row_id,
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest_ns:09}Z",
            "start_ns": time_ns % 10**15,
            "end_ns": time_ns % 10**15 + duration_ns,
            "duration_ns": duration_ns,
            "status": status,
            "port": 10_000 + served % 50_000,
            "connection": f"{served:016x}",
            "user": mixed >> 10,
        }
        yield (
            row_id,
            time_ns,
            duration_ns,
            duration_ns // 2,
            template.side,
            "HTTP/1.1",
            "http",
            template.service,
            f"{template.service}-1",
            template.peer,
            template.method,
            f"{template.service}.local:8080",
            template.path % values,
            status,
            164,
            1180,
            "",
            template.text % values,
            "10.0.0.1" if is_client else "10.0.0.2",
            1 + (served * 2_654_435_761 >> 3) % ((1 << 32) - 1),
        )


class Chunk(NamedTuple):
    """Some rows of an hour."""

    start_ns: int
    step_ns: int
    first: int
    """Within the hour."""
    count: int
    number: int
    """Of the first in the store."""
    run: int


Made = tuple[list[Short], list[tuple[int, int, int, bytes, bytes]], list[tuple[int, bytes]]]
"""Rows of `exchange`, of `block` and of `same_exchange`."""


def make(chunk: Chunk) -> Made:
    """The rows of a chunk as they are stored."""
    made = list(_rows_of(chunk))
    shorts = [shorten(row, number) for number, row in enumerate(made, chunk.number)]
    packed, at = [], 0
    for part in blocks.split(made):
        ids = b"".join(short[0] for short in shorts[at : at + len(part)])
        packed.append((chunk.number + at, len(part), made[-1][1], ids, blocks.pack([row[17] for row in part])))
        at += len(part)
    same = [(chunk.number, struct.pack(f"<{len(made)}I", *[row[19] for row in made]))]
    return shorts, packed, same


def _rows_of(chunk: Chunk) -> Iterator[Row]:
    return rows(chunk.count, chunk.start_ns + chunk.first * chunk.step_ns, chunk.step_ns, chunk.first, chunk.run)


def chunks(count: int, start_ns: int) -> Iterator[Chunk]:
    """All of a store."""
    hourly = count // HOURS
    for hour in range(HOURS):
        for first in range(0, hourly, CHUNK):
            size = min(CHUNK, hourly - first)
            number = 1 + hour * hourly + first
            yield Chunk(start_ns + hour * HOUR_NS, HOUR_NS // hourly, first, size, number, 0xBE7C4 + hour)


def fill(folder: Path, count: int) -> None:
    """A day of `count` exchanges, the newest of them of about when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    file = StoreFile(store_path(folder))
    connection = file.connect()
    connection.execute("PRAGMA cache_size = -262144")
    start_ns, began = time.time_ns() - HOURS * HOUR_NS + count * FILL_NS, time.monotonic()
    whole = list(chunks(count, start_ns))
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        made = pool.imap(make, whole, 2)
        _fill_metrics(connection, [chunk for chunk in whole if chunk.start_ns == start_ns])
        print(f"metrics: {time.monotonic() - began:.0f} s", file=sys.stderr)
        zones = Zones(connection)
        for number, (shorts, packed, same) in enumerate(made):
            connection.execute("BEGIN IMMEDIATE")
            many.put(connection, "INSERT", "exchange", shorts)
            many.put(connection, "INSERT", "block", packed)
            many.put(connection, "INSERT", "same_exchange", same)
            zones.add(shorts)
            connection.execute("COMMIT")
            if number % 20 == 0:
                print(f"{whole[number].number:>10} of {count}, {time.monotonic() - began:.0f} s", file=sys.stderr)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    file.unlock()
    taken_s, size = time.monotonic() - began, store_path(folder).stat().st_size
    print(f"{count} rows in {taken_s:.0f} s, {size / count:.0f} bytes a row, {size / 1e9:.2f} GB")


def _fill_metrics(connection: sqlite3.Connection, first_hour: list[Chunk]) -> None:
    """Figures of the first hour, and of the others that are like it."""
    connection.execute("BEGIN IMMEDIATE")
    book = MetricBook(connection, DAY_S)
    for chunk in first_hour:
        book.add((row[1], row[17]) for row in _rows_of(chunk))
    starts = [start_s for (start_s,) in connection.execute("SELECT DISTINCT start_s FROM metric").fetchall()]
    for hour in range(HOURS):
        told = (
            (start_s + hour * HOUR_S, kind, owner, text)
            for first_s in starts
            for start_s, kind, owner, text in rows_told(connection, MINUTE_S, first_s)
        )
        add(connection, told, STEPS_S)
    connection.execute("DELETE FROM metric")
    last_hour_s = int(time.time()) // HOUR_S * HOUR_S
    connection.execute("UPDATE entity SET last_s = ?", (last_hour_s,))
    connection.execute("REPLACE INTO rolled VALUES (?, ?)", (MINUTE_S, max(starts) + HOURS * HOUR_S))
    connection.execute("COMMIT")
