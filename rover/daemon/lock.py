"""One daemon on a machine: two would probe every process twice and report every exchange twice.

A lock that the kernel keeps, so it ends with its holder however that ends; the file tells a second daemon who that
is."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from rover.config import ConfigError

NAME = "daemon.lock"
_KEY = "daemon.folder"


class NodeLock:
    """Held from `take` to `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def take(self) -> None:
        """Become the daemon of this machine. Raises ConfigError: another one is, or the folder cannot be used."""
        path = self._folder / NAME
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_own(self._folder)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}", key=_KEY, origin=_KEY) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            told = _holder(os.pread(file, 4096, 0))
            os.close(file)
            raise ConfigError(f"another daemon runs on this machine: {told}", key=_KEY, origin=str(path)) from error
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "command": sys.argv[:8]}).encode() + b"\n", 0)
        self._file = file

    def release(self) -> None:
        """Let another one be it."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def _require_own(folder: Path) -> None:
    """Whoever else may write there could put a socket of his own in the place of ours."""
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()) or (found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX):
        raise PermissionError(0, "the folder can be written by other users")


def _holder(text: bytes) -> str:
    try:
        found: dict[str, Any] = json.loads(text)
        return f"pid {found['pid']} ({' '.join(found['command'])})"
    except (ValueError, KeyError, TypeError):
        return "its pid is not told"
