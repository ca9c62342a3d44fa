"""Moves rows from a source into the store, in batches, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time

from rover.backend.options import RowSource
from rover.backend.store import Store

log = logging.getLogger(__name__)

ROWS = 4096
"""Most rows of one hand-over."""
WAIT_MS = 200
"""Longest wait inside the source; bounds how long `stop` takes."""
AFTER_ERROR_S = 1.0
FLUSH_S = 0.5
"""A store that takes longer is waited for again, unless the end has come."""
TELL_AGAIN_S = 60.0


class Pump:
    """Runs from its creation until `stop`, then empties the source."""

    def __init__(self, source: RowSource, store: Store, *, stores_first: bool = False) -> None:
        """`stores_first`: ask the source again only when what it gave is stored."""
        self._source = source
        self._store = store
        self._stores_first = stores_first
        self._stopping = threading.Event()
        self._told = -TELL_AGAIN_S
        self._thread = threading.Thread(target=self._run, name="row-pump", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End as soon as the source is empty, or the store takes no more."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            is_last = self._stopping.is_set()
            try:
                rows = self._source.take_rows(0 if is_last else WAIT_MS, ROWS)
            except Exception as error:
                # A source that fails is no reason to stop the others, nor this one for good.
                self._tell(error)
                if self._stopping.wait(AFTER_ERROR_S):
                    return
                continue
            if is_last and not rows:
                return
            if self._store.put(rows) < len(rows) and is_last:
                return
            while rows and self._stores_first and not self._store.flush(FLUSH_S) and not self._stopping.is_set():
                pass

    def _tell(self, error: Exception) -> None:
        if time.monotonic() - self._told >= TELL_AGAIN_S:
            self._told = time.monotonic()
            log.error("pump=failing source=%s error=%r", type(self._source).__name__, error)
