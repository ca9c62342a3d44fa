"""Spans of time as the query protocol writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rover.backend.metrics import POINTS

STEPS = {"MINUTE": ("%Y-%m-%d %H%M", 60), "HOUR": ("%Y-%m-%d %H", 3600), "DAY": ("%Y-%m-%d", 86400)}
"""Format and length of each step."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_s` to before `end_s`, in steps of `step_s`."""

    start_s: int
    end_s: int
    step_s: int

    @property
    def points(self) -> range:
        """Starts of its steps."""
        return range(self.start_s, self.end_s, self.step_s)


def span_of(duration: Mapping[str, Any]) -> Span:
    """The span of a Duration. Raises ValueError that says what is wrong with it."""
    step = duration["step"]
    if step not in STEPS:
        raise ValueError(f"step {step}: MINUTE, HOUR or DAY")
    form, step_s = STEPS[step]
    start_s, end_s = _seconds(duration["start"], form), _seconds(duration["end"], form)
    if end_s < start_s:
        raise ValueError(f"the duration ends ({duration['end']}) before it starts ({duration['start']})")
    if (end_s - start_s) // step_s >= POINTS:
        raise ValueError(f"the duration has more than {POINTS} steps")
    return Span(start_s, end_s + step_s, step_s)


def _seconds(text: str, form: str) -> int:
    try:
        return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise ValueError(f"{text!r} does not have the form of its step") from error
