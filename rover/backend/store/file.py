"""The database file: opened, locked, migrated; a corrupt one set aside and a new one begun."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from rover.backend.options import BackendError
from rover.backend.store.schema import NAMES, migrations

log = logging.getLogger(__name__)

KEY = "backend.store.path"
PAGE_BYTES = 8192
WRITER_CACHE_KIB = 8192
WAL_BYTES = 16 << 20
"""The write-ahead log is cut back to this after each checkpoint."""


class StoreFile:
    """One path with the lock on it. `connect()` may be called again after `set_aside()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The rover that holds this lock is the one writer; the kernel drops it when the process ends.
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackendError(KEY, f"{path}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise BackendError(KEY, f"{path} is in use by another rover") from error

    def connect(self) -> sqlite3.Connection:
        """The writer's connection, with all migrations applied; a file that is no sound database is set aside first.

        Raises BackendError if the file cannot be used at all."""
        try:
            try:
                return self._open()
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                self.set_aside(str(error))
                return self._open()
        except (sqlite3.Error, OSError) as error:
            raise BackendError(KEY, f"{self.path}: {error}") from error

    def set_aside(self, reason: str) -> None:
        """Rename the file and its log to `….corrupt` (replacing an earlier one: one is kept), and say so in one
        line."""
        for suffix in ("-wal", "-shm", ""):
            source = Path(f"{self.path}{suffix}")
            if source.exists():
                source.replace(f"{self.path}.corrupt{suffix}")
        log.error("store=corrupt path=%s reason=%r set_aside=%s.corrupt", self.path, reason, self.path)

    def is_in_place(self) -> bool:
        """Whether the file that is open is still the one at the path: somebody may have removed or replaced it."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._opened

    def unlock(self) -> None:
        """Give the path up."""
        os.close(self._lock)

    def _open(self) -> sqlite3.Connection:
        # Made here, empty, because SQLite would let everyone read what was requested; its other files inherit the mode.
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = os.fstat(file)
        self._opened = (found.st_dev, found.st_ino)
        os.close(file)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            for pragma in (
                f"page_size = {PAGE_BYTES}",
                # Lets a file that has become too large shrink in small steps; only counts for a new file.
                "auto_vacuum = INCREMENTAL",
                "journal_mode = WAL",
                # Commits survive the end of the process; a power cut may cost the last ones, never the file.
                "synchronous = NORMAL",
                f"cache_size = -{WRITER_CACHE_KIB}",
                f"journal_size_limit = {WAL_BYTES}",
                f"wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}",
                "temp_store = MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            self._migrate(connection)
            _probe(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        db = Database(connection, execute_plugins=False)
        newer = {migration.name for migration in migrations.applied(db)} - NAMES
        if newer:
            raise BackendError(KEY, f"{self.path} was written by a newer rover (it has {max(newer)})")
        migrations.apply(db)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _probe(connection: sqlite3.Connection) -> None:
    """Read both ends of every table: finds a cut or overwritten file without reading all of it."""
    for table, key in (
        ("exchange", "id"),
        ("block", "first"),
        ("entity", "id"),
        ("metric", "step_s"),
        ("pack", "step_s"),
        ("zone", "number"),
        ("same_exchange", "first"),
    ):
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT * FROM {table} ORDER BY {key} {order} LIMIT 1").fetchall()  # noqa: S608
