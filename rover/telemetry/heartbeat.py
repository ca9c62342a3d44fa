"""The sign of life that systemd's watchdog waits for: given only while the engine's drain thread moves."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rover.background import Background
from rover.telemetry.status import STALLED_S

STATUS_S = 10.0
"""How often the line of `systemctl status` is written anew."""

log = logging.getLogger(__name__)


class Heartbeat(Background):
    """Speaks to systemd from the start of the engine until systemd waits for the end of the program."""

    def __init__(
        self,
        tell: Callable[[str], None],
        maybe_pulse_s: Callable[[], float | None],
        line: Callable[[], str],
        watchdog_s: float | None,
    ) -> None:
        """`tell` sends a state; `watchdog_s`: how long systemd waits, None: it does not."""
        super().__init__("rover-heartbeat", most_wait_s=1)
        self._tell = tell
        self._maybe_pulse_s = maybe_pulse_s
        self._line = line
        self._watchdog_s = watchdog_s

    def beat(self) -> bool:
        """One sign of life; False and none if the drain thread does not move."""
        pulse_s = self._maybe_pulse_s()
        if pulse_s is None or pulse_s > min(STALLED_S, self._watchdog_s or STALLED_S):
            log.error("the engine does not drain: no sign of life to systemd seconds=%s", pulse_s)
            return False
        if self._watchdog_s is not None:
            self._tell("WATCHDOG=1")
        return True

    def _run(self) -> None:
        pause_s = min(STATUS_S, self._watchdog_s / 2) if self._watchdog_s is not None else STATUS_S
        left_s = 0.0
        while True:
            is_alive = self.beat()
            left_s -= pause_s
            if is_alive and left_s <= 0:
                left_s = STATUS_S
                self._tell(f"STATUS={self._line()}")
            if self._is_over.wait(pause_s):
                return
