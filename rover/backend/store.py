"""Skeleton: replaced by the package `store/`."""

from __future__ import annotations

from collections.abc import Sequence

from rover.backend.options import BackendOptions, Row


class Store:
    """The database of one backend: one writer thread, read-only connections."""

    def put(self, rows: Sequence[Row]) -> None:
        """Queue rows for the writer. Never blocks for long: what the full queue cannot take is counted and dropped."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is queued and close the file."""
        raise NotImplementedError


def open_store(options: BackendOptions) -> Store:
    """Open or create the database. Raises BackendError if the path cannot be used."""
    raise NotImplementedError
