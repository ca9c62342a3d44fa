"""Skeleton: the HTTP server in a thread and the pumps that move rows from sources into the store."""

from __future__ import annotations

from collections.abc import Callable

from rover.backend.options import BackendOptions, NodeFacts, RowSource
from rover.backend.store import Store


class Backend:
    """HTTP server and pumps around one store."""

    def __init__(self, options: BackendOptions, store: Store, node_facts: Callable[[], NodeFacts]) -> None:
        raise NotImplementedError

    def add_source(self, source: RowSource) -> None:
        """Pump rows from `source` into the store from start() on (or at once if started). One thread per source."""
        raise NotImplementedError

    def start(self) -> str:
        """Bind and serve in a thread; returns the base URL. Raises BackendError (port in use, token missing, …)."""
        raise NotImplementedError

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving, empty the sources into the store, write what is queued and close the store. Idempotent."""
        raise NotImplementedError
