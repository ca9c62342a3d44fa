"""Holds rover to its limits: above them it gives something up, below them it takes it back.

In this order, because it is how little is missed: bodies whose framing lies within them, the kernel's layers, seven of
eight connections. Every record of that time is flagged `reduced`, what is left out is counted as `not_sampled`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rover.background import Background
from rover.config.tree import Limits
from rover.telemetry.status import is_run_time_counted, resident_bytes

LOOK_S = 2.0
"""How often it looks: long enough for a share of CPU time to be more than noise."""
UP_AFTER, DOWN_AFTER = 2, 8
"""Looks in a row above a limit, and well below all of them, that change the level: quick to give up, slow to take
back, so that a load at the limit does not make it swing."""
_WELL_BELOW = 0.7
GIVEN_UP = ("nothing", "bodies", "bodies and layers", "bodies, layers and 7 of 8 connections")
"""What each level gives up."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """One measurement: what was used since the one before, in the unit of each limit."""

    cpu_percent: float
    memory_bytes: int
    application_percent: float | None
    """None: the kernel does not count it."""


class Ladder:
    """Decides on the level from looks. Pure."""

    def __init__(self) -> None:
        self.level = 0
        self.changes = 0
        self._above = 0
        self._below = 0

    def judge(self, look: Look, limits: Limits) -> str | None:
        """The reason if the level has changed, for a person."""
        shares = dict(_shares(look, limits))
        worst = max(shares, key=lambda name: shares[name]) if shares else None
        share = shares[worst] if worst is not None else 0.0
        self._above = self._above + 1 if share > 1 else 0
        self._below = self._below + 1 if share < _WELL_BELOW else 0
        if self._above >= UP_AFTER and self.level < len(GIVEN_UP) - 1:
            return self._move(+1, f"{worst} is at {share:.0%} of its limit")
        if self._below >= DOWN_AFTER and self.level > 0:
            return self._move(-1, f"all limits are held: {share:.0%}")
        return None

    def _move(self, step: int, reason: str) -> str:
        self.level += step
        self.changes += 1
        self._above = self._below = 0
        return reason


def _shares(look: Look, limits: Limits) -> Iterator[tuple[str, float]]:
    if limits.cpu_percent is not None:
        yield "limits.cpu_percent", look.cpu_percent / limits.cpu_percent
    if limits.memory_bytes is not None:
        yield "limits.memory_bytes", look.memory_bytes / limits.memory_bytes
    if limits.application_percent is not None and look.application_percent is not None:
        yield "limits.application_percent", look.application_percent / limits.application_percent


class Governor(Background):
    """Looks and moves the level, once the engine runs. At its end the level stays as it is."""

    def __init__(self, limits: Limits, govern: Callable[[int], None], stats: Callable[[], dict[str, Any]]) -> None:
        """`govern` sets the level of an engine, `stats` are its counters."""
        super().__init__("rover-governor")
        self.limits = limits
        self._govern = govern
        self._stats = stats
        self._ladder = Ladder()
        self._reason = ""

    def status(self) -> dict[str, Any]:
        """`{"level", "changes", "given_up", "told"}`."""
        level = self._ladder.level
        told = GIVEN_UP[level] + " given up" + (f": {self._reason}" if level else "")
        if self.limits.application_percent is not None and not is_run_time_counted():
            told += "; limits.application_percent is not held: kernel.bpf_stats_enabled is 0"
        return {"level": level, "changes": self._ladder.changes, "given_up": GIVEN_UP[level], "told": told}

    def _run(self) -> None:
        last_s, last_cpu_s, last_run_ns = time.monotonic(), time.process_time(), self._maybe_run_ns()
        while not self._is_over.wait(LOOK_S):
            try:
                now_s, cpu_s, run_ns = time.monotonic(), time.process_time(), self._maybe_run_ns()
                seconds = now_s - last_s
                is_counted = run_ns is not None and last_run_ns is not None
                look = Look(
                    100 * (cpu_s - last_cpu_s) / seconds,
                    resident_bytes(),
                    (run_ns - last_run_ns) / seconds / 1e7 if is_counted else None,  # type: ignore[operator]
                )
                last_s, last_cpu_s, last_run_ns = now_s, cpu_s, run_ns
                if (reason := self._ladder.judge(look, self.limits)) is not None:
                    self._reason = reason
                    self._govern(self._ladder.level)
                    given_up = GIVEN_UP[self._ladder.level]
                    told = "the governor moves level=%d given_up=%s: %s"
                    log.warning(told, self._ladder.level, given_up, reason, extra={"is_answer": True})
            except Exception:  # a look that fails is made again
                log.exception("the governor could not look")

    def _maybe_run_ns(self) -> int | None:
        """Run time of the kernel programs so far, which applications paid; None if nobody wants or counts it."""
        if self.limits.application_percent is None or not is_run_time_counted():
            return None
        return sum(int(program["run_ns"]) for program in self._stats()["programs"])
