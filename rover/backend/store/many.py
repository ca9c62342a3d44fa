"""Many rows in one statement.

sqlite3 gives the GIL up around every step of a statement and must get it back, which beside a busy Python thread takes
up to the switch interval (5 ms) each time. `executemany` does so for every row: measured 9 ms a row beside one spinning
thread, which is a hundred rows a second. One statement for hundreds of rows waits once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import msgspec

SIZES = (512, 64, 8, 1)
"""Rows of one statement; few sizes, so that each is compiled once and kept. SQLite takes up to 32766 values."""


def put(
    connection: sqlite3.Connection,
    verb: Literal["INSERT", "REPLACE"],
    table: str,
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Insert all rows, each with a value for every column of the table."""
    done = 0
    for size in SIZES:
        while len(rows) - done >= size:
            sql = _put(verb, table, len(rows[0]), size)
            connection.execute(sql, list(chain.from_iterable(rows[done : done + size])))
            done += size


def select(connection: sqlite3.Connection, columns: str, table: str, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """These columns of the rows with these ids."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), SIZES[0]):
        part = ids[start : start + SIZES[0]]
        sql = f"SELECT {columns} FROM {table} WHERE id IN ({_marks(len(part))})"  # noqa: S608
        found += connection.execute(sql, part).fetchall()
    return found


def fetch(connection: sqlite3.Connection, columns: str, rest: str, values: Sequence[object]) -> list[list[Any]]:
    """Texts and numbers of all rows of `SELECT columns FROM rest` as one value: each row of a result is a step."""
    rows: list[list[Any]] = msgspec.json.decode(fetch_text(connection, columns, rest, values))
    return rows


def fetch_text(connection: sqlite3.Connection, columns: str, rest: str, values: Sequence[object]) -> str:
    """The same as JSON."""
    sql = f"SELECT json_group_array(json_array({columns})) FROM {rest}"  # noqa: S608
    text: str = connection.execute(sql, values).fetchone()[0]
    return text


def delete(connection: sqlite3.Connection, table: str, ids: Sequence[bytes], condition: str, value: int) -> None:
    """Delete the rows with these ids for which the condition on `value` holds."""
    for start in range(0, len(ids), SIZES[0]):
        part = ids[start : start + SIZES[0]]
        sql = f"DELETE FROM {table} WHERE id IN ({_marks(len(part))}) AND {condition}"  # noqa: S608
        connection.execute(sql, [*part, value])


@lru_cache(maxsize=64)
def _put(verb: str, table: str, columns: int, rows: int) -> str:
    values = f"({_marks(columns)})"
    return f"{verb} INTO {table} VALUES {', '.join([values] * rows)}"


def _marks(count: int) -> str:
    return ", ".join("?" * count)
