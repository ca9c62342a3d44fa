"""The end of the program: a signal, a duration, or a condition. And the signal that asks for other settings."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType

_POLL_S = 0.5
_INTERRUPTED = 128 + signal.SIGINT


class StopSignal:
    """Takes SIGINT and SIGTERM from now on. The first asks for the end; a second SIGINT does not wait for it.

    SIGHUP calls `on_hangup`, where there is one, in the thread that waits."""

    def __init__(self, *, is_hung_up: bool = True) -> None:
        """`is_hung_up`: SIGHUP ends the program too, as the end of a terminal does."""
        self.on_hangup: Callable[[], None] | None = None
        self._is_hangup_due = False
        # No Event: the handler runs in the thread that waits, also at the moment in which that holds the Event's lock.
        self._is_asked = False
        self._asked, self._ask_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._interrupts = 0
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        if not is_hung_up:
            signal.signal(signal.SIGHUP, self._hang_up)
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def wait(
        self,
        duration_s: float | None = None,
        is_over: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Returns when a signal has come, after the duration, or when `is_over` holds (asked twice a second).

        `meanwhile` is called as often."""
        end = None if duration_s is None else time.monotonic() + duration_s
        while not self._is_asked:
            left = _POLL_S if end is None else min(_POLL_S, end - time.monotonic())
            if left <= 0:
                return
            select.select([self._asked], [], [], left)
            self._answer_hangup()
            if is_over():
                return
            meanwhile()

    @property
    def is_asked(self) -> bool:
        """Whether a signal has come."""
        return self._is_asked

    def _answer_hangup(self) -> None:
        if not self._is_hangup_due or self._is_asked:
            return
        # First this: who asks again while the answer is under way gets another one.
        self._is_hangup_due = False
        with contextlib.suppress(BlockingIOError):
            os.read(self._asked, 1)
        if self.on_hangup is not None:
            self.on_hangup()

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_hangup_due:
            self._is_hangup_due = True
            os.write(self._ask_end, b"\0")

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if not self._is_asked:
            self._is_asked = True
            os.write(self._ask_end, b"\0")
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            os._exit(_INTERRUPTED)
