"""The one writer: a thread with a bounded queue in front of it.

It gathers what arrives within LINGER_S into one transaction, removes what retention asks for in between, and survives
what a disk does: a batch that cannot be stored is counted under its cause and told once, then it goes on; a file that
SQLite finds damaged is set aside and a new one begun.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from rover.backend.openapi_files import read_apis
from rover.backend.options import BackendError, BackendOptions, Row
from rover.backend.store.file import StoreFile, is_corrupt
from rover.backend.store.insert import Inserter
from rover.backend.store.retain import Retention
from rover.backend.store.short import Stored

log = logging.getLogger(__name__)

QUEUE_ROWS = 16_384
"""Rows waiting for the writer; at about 2.5 KB each, 40 MB."""
BATCH_ROWS = 4_096
"""Most rows of one transaction, which then takes about 40 ms."""
LINGER_S = 0.1
"""A transaction waits this long for more rows to come."""
LINGER_TIMES = 4
"""Or so many times as long as the one before took, LONGEST_LINGER_S at most: of a thousand endpoints a batch of few
rows changes nearly as many figures as one of many, and whoever asks needs the GIL meanwhile."""
LONGEST_LINGER_S = 1.0
"""What a reader sees is at most this old."""
IDLE_S = 5.0
"""Without rows, retention is looked after this often."""
ROOM_S = 1.0
"""How long `put` waits for room before it gives rows up."""
TELL_AGAIN_S = 60.0
"""A failure that goes on is told this often."""


class Writer:
    """Owns the writing connection. `put`, `flush`, `suspect` and `close` may be called from any thread."""

    def __init__(
        self,
        file: StoreFile,
        options: BackendOptions,
        on_stored: Callable[[Sequence[Stored]], None],
        on_new_file: Callable[[], None],
    ) -> None:
        self._file = file
        self._options = options
        self._grouping = {
            "patterns": options.endpoint_patterns,
            "apis": read_apis(options.openapi_files),
            "learn_after": options.learn_after,
        }
        self._on_stored = on_stored
        self._on_new_file = on_new_file
        self._changed = threading.Condition()
        self._queue: deque[Sequence[Row]] = deque()
        self._queued = 0
        self._is_busy = False
        self._is_closing = False
        self._is_suspect = False
        self._took_s = 0.0
        self._lost: Counter[str] = Counter()
        self._stored = 0
        self._failing_since: float | None = None
        self._told = 0.0
        self._use(file.connect())
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, rows: Sequence[Row]) -> int:
        """Queue rows; returns how many were taken. Waits up to ROOM_S for room, then counts the rest as
        `queue_full`."""
        taken = 0
        deadline = time.monotonic() + ROOM_S
        with self._changed:
            while taken < len(rows):
                room = QUEUE_ROWS - self._queued
                if self._is_closing or (room <= 0 and not self._has_room_before(deadline)):
                    self._lost["closed" if self._is_closing else "queue_full"] += len(rows) - taken
                    break
                part = rows[taken : taken + min(max(room, 0), BATCH_ROWS)]
                if part:
                    self._queue.append(part)
                    self._queued += len(part)
                    taken += len(part)
                    self._changed.notify_all()
        return taken

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued so far has been dealt with; False if that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._is_busy, timeout_s)

    def suspect(self) -> None:
        """A reader found the file damaged: look at it, and set it aside if that is so."""
        with self._changed:
            self._is_suspect = True
            self._changed.notify_all()

    def close(self, timeout_s: float) -> None:
        """Write what is queued, as far as the time allows, and close the file. Idempotent."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.error("store=slow queued=%d msg=%r", self._queued, "not all rows were written in time")

    def facts(self) -> tuple[int, int, dict[str, int]]:
        """Rows stored, rows queued, rows lost by cause."""
        with self._changed:
            lost = self._lost + Counter(malformed=self._inserter.malformed)
            return self._stored, self._queued, dict(lost)

    def overflowed(self) -> int:
        """How often figures went to `(other)`, for a bound on names was reached; since the file was opened."""
        return self._inserter.overflowed

    def sampled(self) -> tuple[dict[str, int], dict[str, int]]:
        """Rows stored, by why, and rows left out, by cause, while there was a choice; since the file was opened."""
        return dict(self._inserter.sample.kept), dict(self._inserter.sample.left_out)

    def used_bytes(self) -> int:
        """Size of what is stored, as of the last batch."""
        return self._used_bytes

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._inserter = Inserter(connection, self._options, self._grouping)
        self._retention = Retention(connection, self._options)
        self._used_bytes = self._retention.used_bytes()
        self._is_broken = False

    def _reopen(self, rows: Sequence[Row]) -> None:
        try:
            self._use(self._file.connect())
        except BackendError as error:
            self._lose(rows, "error", error)
            raise

    def _has_room_before(self, deadline: float) -> bool:
        remaining = deadline - time.monotonic()
        return self._changed.wait_for(lambda: self._queued < QUEUE_ROWS or self._is_closing, max(0.0, remaining))

    def _run(self) -> None:
        while True:
            rows = self._take()
            if rows is None:
                break
            try:
                if self._is_broken:
                    self._reopen(rows)
                self._store(rows)
                self._tidy(len(rows))
            except BackendError as error:
                # There is no file to write to; the next batch tries again.
                self._tell("error", error)
            except Exception as error:
                # Whatever it was, the thread goes on: without it nothing is stored any more.
                self._tell("error", error)
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
        self._connection.close()

    def _take(self) -> list[Row] | None:
        """The next batch: empty when it is time to tidy, None when all is done."""
        with self._changed:
            if (
                self._changed.wait_for(lambda: self._queue or self._is_closing or self._is_suspect, IDLE_S)
                and self._queue
            ):
                linger_s = min(LONGEST_LINGER_S, max(LINGER_S, LINGER_TIMES * self._took_s))
                self._changed.wait_for(lambda: self._queued >= BATCH_ROWS or self._is_closing, linger_s)
            if not self._queue and self._is_closing:
                return None
            rows: list[Row] = []
            while self._queue and len(rows) + len(self._queue[0]) <= BATCH_ROWS:
                rows += self._queue.popleft()
            self._queued -= len(rows)
            self._is_busy = True
            self._changed.notify_all()
        return rows

    def _store(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            began = time.monotonic()
            stored = self._inserter.write(rows)
            self._took_s = time.monotonic() - began
        except sqlite3.Error as error:
            cause = "disk_full" if _is_full(error) else "corrupt" if is_corrupt(error) else "error"
            self._lose(rows, cause, error)
            if cause == "corrupt":
                self._begin_anew(str(error))
            return
        with self._changed:
            self._stored += len(stored)
        if self._failing_since is not None:
            log.warning("store=works_again lost=%s", dict(self._lost))
            self._failing_since = None
        self._on_stored(stored)

    def _tidy(self, rows: int) -> None:
        """Retention: after a batch a step that keeps up with it, when idle all that is due."""
        try:
            if self._is_suspect:
                self._examine()
            if not self._file.is_in_place():
                self._follow_path()
            while self._retention.step(rows) and not rows and not self._queue and not self._is_closing:
                pass
            while not rows and not self._queue and not self._is_closing and self._retention.shrink():
                pass
            self._used_bytes = self._retention.used_bytes()
        except sqlite3.Error as error:
            self._tell("disk_full" if _is_full(error) else "error", error)
            if is_corrupt(error):
                self._begin_anew(str(error))

    def _examine(self) -> None:
        self._is_suspect = False
        found = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            self._begin_anew(str(found))

    def _begin_anew(self, reason: str) -> None:
        """Set the damaged file aside and go on with a new one."""
        self._let_go()
        self._file.set_aside(reason.splitlines()[0])
        self._use(self._file.connect())

    def _follow_path(self) -> None:
        """Go on with what is at the path now: the file that was open has been removed or replaced there."""
        log.warning("store=gone path=%s msg=%r", self._file.path, "the file was removed or replaced: opening it anew")
        self._let_go()
        self._use(self._file.connect())

    def _let_go(self) -> None:
        with self._changed:
            self._lost["malformed"] += self._inserter.malformed
            self._inserter.malformed = 0
        self._is_broken = True
        self._connection.close()
        self._on_new_file()

    def _lose(self, rows: Sequence[Row], cause: str, error: Exception) -> None:
        with self._changed:
            self._lost[cause] += len(rows)
        self._tell(cause, error)

    def _tell(self, cause: str, error: Exception) -> None:
        now = time.monotonic()
        if self._failing_since is None or now - self._told >= TELL_AGAIN_S:
            self._failing_since = self._failing_since or now
            self._told = now
            log.error(
                "store=failing cause=%s path=%s error=%r lost=%s", cause, self._file.path, error, dict(self._lost)
            )


def _is_full(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # A file system that is full is reported as either, depending on which file could not grow.
    return code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
