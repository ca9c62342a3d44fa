"""Read-only connections: a few, reused, each use with a time limit and one consistent view of the data."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONNECTIONS = 4
"""Kept open between uses; callers bound how many are in use at a time."""
CACHE_KIB = 2048
CHECK_EVERY = 200_000
"""Virtual-machine steps between two looks at the clock: about ten milliseconds. Each look is a call of Python, which
waits for the GIL."""


class Readers:
    """A pool of read-only connections to one path; any thread may use it."""

    def __init__(self, path: Path, limit_s: float) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """One read transaction. Raises TimeoutError when it takes longer than the limit; sqlite3.Error otherwise."""
        with self._lock:
            generation = self._generation
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._open()
        deadline = time.monotonic() + self._limit_s
        connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_EVERY)
        is_sound = False
        try:
            connection.execute("BEGIN")
            yield connection
            is_sound = True
        except sqlite3.OperationalError as error:
            is_sound = error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
            if is_sound:
                raise TimeoutError(f"the query took longer than {self._limit_s:g} s") from error
            raise
        finally:
            self._give_back(connection, generation, is_sound)

    def reset(self) -> None:
        """The file at the path is another one now: close what is open, later or at once."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _give_back(self, connection: sqlite3.Connection, generation: int, is_sound: bool) -> None:
        if is_sound:
            connection.set_progress_handler(None, 0)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._lock:
                if generation == self._generation and len(self._idle) < CONNECTIONS:
                    self._idle.append(connection)
                    return
        connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False, timeout=1)
        for pragma in ("query_only = 1", f"cache_size = -{CACHE_KIB}", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection
