"""A span of time as pages ask for it: whole steps, and the bars of its lines."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from rover.backend.metrics.read import Ends, Kept
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, SECOND_NS, STEPS_S

SPARK_BARS = 60
"""A line has at most about so many bars."""
BAR_WIDTHS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
BY_MINUTE_S = 6 * HOUR_S
"""Up to this span bars may be narrower than an hour."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span in whole minutes, or whole hours or days where minutes are no longer kept."""

    first_s: int
    end_s: int
    bar_s: int
    watched_s: float
    """Seconds of it of which there can be figures: not before the oldest, not in the future. Rates divide by it."""

    @classmethod
    def of(cls, connection: sqlite3.Connection, from_ns: int, to_ns: int, ends: Ends | None = None) -> Span:
        """The whole steps that hold `from_ns` to `to_ns`; `ends` of this snapshot, if they are known."""
        kept = Kept.of(ends or Ends.of(connection))
        step_s = kept.finest_s(from_ns // SECOND_NS // MINUTE_S * MINUTE_S)
        first_s = from_ns // SECOND_NS // step_s * step_s
        end_s = max(first_s + step_s, -(-to_ns // SECOND_NS // step_s) * step_s)
        length_s = end_s - first_s
        narrowest_s = max(step_s, MINUTE_S if length_s <= BY_MINUTE_S else HOUR_S)
        fitting = (width for width in BAR_WIDTHS_S if width >= narrowest_s and length_s <= width * SPARK_BARS)
        watched_s = min(end_s, time.time()) - max(first_s, kept.oldest_s)
        return cls(first_s, end_s, next(fitting, DAY_S), max(1.0, watched_s))

    @property
    def steps(self) -> range:
        """Its bars, each as how many of its width lie between 1970 and it."""
        return range(self.first_s // self.bar_s, (self.end_s - 1) // self.bar_s + 1)

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return len(self.steps)

    @property
    def longest_s(self) -> int:
        """The longest step of which each lies within one bar."""
        return max(step_s for step_s in STEPS_S if self.bar_s % step_s == 0)
