"""The end of the program: a signal, a duration, or a condition."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_POLL_S = 0.5
_INTERRUPTED = 128 + signal.SIGINT


class StopSignal:
    """Takes SIGINT and SIGTERM from now on. The first asks for the end; a second SIGINT does not wait for it."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._interrupts = 0
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def wait(self, duration_s: float | None = None, is_over: Callable[[], bool] = lambda: False) -> None:
        """Returns when a signal has come, after the duration, or when `is_over` holds (asked twice a second)."""
        end = None if duration_s is None else time.monotonic() + duration_s
        while not self._asked.is_set():
            left = _POLL_S if end is None else min(_POLL_S, end - time.monotonic())
            if left <= 0 or self._asked.wait(left) or is_over():
                return

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            os._exit(_INTERRUPTED)
