"""What goes on beside the rest until it is stopped."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """A thread with a beginning and an end."""

    def __init__(self, name: str, most_wait_s: float | None = None) -> None:
        """`name` is the thread's. `stop` waits for its end, `most_wait_s` at most."""
        self._is_over = threading.Event()
        self._most_wait_s = most_wait_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. Idempotent; nothing is waited for if it was never started."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(self._most_wait_s)

    @abstractmethod
    def _run(self) -> None:
        """What is done until `_is_over` is set."""
