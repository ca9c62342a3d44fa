"""`Store`: the writer, the readers and the queries behind one object."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rover.backend.options import BackendError, BackendOptions, Row
from rover.backend.store import query
from rover.backend.store.file import StoreFile, is_corrupt
from rover.backend.store.filter import Filter
from rover.backend.store.partner import partner
from rover.backend.store.query import Page
from rover.backend.store.readers import Readers
from rover.backend.store.short import Stored
from rover.backend.store.writer import Writer

QUERY_S = 3.0
"""A query that takes longer is given up."""

PATTERNS_KEY = "backend.endpoints.patterns"

T = TypeVar("T")
Listener = Callable[[Sequence[Stored]], None]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store tells about itself."""

    stored: int
    """Records stored since start."""
    queued: int
    lost: dict[str, int]
    """Records not stored since start, by cause."""
    used_bytes: int
    overflowed: int
    """Figures that went to `(other)`, for a bound on names was reached."""
    kept: dict[str, int]
    """Records stored since start although more came than configured, by why."""
    left_out: dict[str, int]
    """Records that metrics are of and that are not stored, by cause."""


class Store:
    """The database of one backend. Any thread may call anything."""

    def __init__(self, options: BackendOptions, query_s: float = QUERY_S) -> None:
        self._file = StoreFile(options.store_path)
        try:
            self._readers = Readers(options.store_path, query_s)
            self._listeners: tuple[Listener, ...] = ()
            self._writer = Writer(self._file, options, self._tell_listeners, self._readers.reset)
        except BaseException:
            self._file.unlock()
            raise
        self._is_closed = False

    def put(self, rows: Sequence[Row]) -> int:
        """Queue rows for the writer; returns how many were taken. Waits a second for room; what is then left is
        counted."""
        return self._writer.put(rows)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until what was put so far can be read; False if that took longer."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued and close the file. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._writer.close(timeout_s)
            self._readers.reset()
            self._file.unlock()

    def listen(self, listener: Listener) -> None:
        """Call `listener` in the writer's thread with each batch once it can be read. It must be quick and not
        raise."""
        self._listeners = (*self._listeners, listener)

    def facts(self) -> StoreFacts:
        """Counters."""
        stored, queued, lost = self._writer.facts()
        return StoreFacts(
            stored, queued, lost, self._writer.used_bytes(), self._writer.overflowed(), *self._writer.sampled()
        )

    def exchanges(
        self,
        wanted: Filter,
        from_ns: int,
        to_ns: int,
        *,
        before: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Records that match, newest first; see `query.exchanges`."""
        return self.ask(
            lambda connection: query.exchanges(
                connection, wanted, from_ns, to_ns, before=before, after=after, limit=limit
            )
        )

    def sampled_one_in(self, from_ns: int, to_ns: int) -> float | None:
        """Of how many exchanges one is stored, but for those that are always, where they were sampled within
        [from_ns, to_ns); None: all are stored."""
        return self.ask(lambda connection: query.sampled_one_in(connection, from_ns, to_ns))

    def exchange(self, row_id: str) -> bytes | None:
        """The record of this id as JSON, or None."""
        return self.ask(lambda connection: query.exchange(connection, row_id))

    def partner(self, row_id: str) -> tuple[bool, bytes | None]:
        """Whether the record of this id is stored, and the other end's record of the same exchange as JSON, or None."""

        def ask(connection: sqlite3.Connection) -> tuple[bool, bytes | None]:
            record = query.exchange(connection, row_id)
            return (False, None) if record is None else (True, partner(connection, row_id, record))

        return self.ask(ask)

    def ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """What `ask` finds in one read-only snapshot.

        Raises TimeoutError if the query takes too long, OSError if the file cannot be read."""
        try:
            with self._readers.snapshot() as connection:
                return ask(connection)
        except sqlite3.Error as error:
            if is_corrupt(error):
                self._writer.suspect()
            raise OSError(f"the store cannot be read: {error}") from error

    def _tell_listeners(self, stored: Sequence[Stored]) -> None:
        for listener in self._listeners:
            listener(stored)


def open_store(options: BackendOptions) -> Store:
    """Open or create the database; a corrupt file is set aside and a new one begun.

    Raises BackendError if the path cannot be used or another rover uses it."""
    try:
        return Store(options)
    except ValueError as error:
        raise BackendError(PATTERNS_KEY, str(error)) from error
