"""The line at the bottom of a terminal while records scroll above it: rate, watched processes, losses.

Records are written by the engine's own thread. So that the two never mix, the terminal is told to scroll only the rows
above the last one, and each update of the line is a single write that leaves the cursor where it was."""

from __future__ import annotations

import os
import time
from typing import Protocol

from rover.ledger import losses

_LEAST_ROWS = 5
_SAVE, _RESTORE, _CLEAR, _DIM, _PLAIN = "\x1b7", "\x1b8", "\x1b[2K", "\x1b[2m", "\x1b[0m"


class Told(Protocol):
    """The part of a capture that the line tells of."""

    @property
    def watched_processes(self) -> int:
        """Number of processes that are watched."""

    def ledger(self) -> dict[str, int]:
        """Counts so far."""


class StatusLine:
    """Used with `with`; `update` now and then in between."""

    def __init__(self, descriptor: int, capture: Told) -> None:
        """`descriptor`: the terminal."""
        self._descriptor = descriptor
        self._capture = capture
        self._rows = 0
        self._last = (time.monotonic(), 0)

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._write(f"{_SAVE}\x1b[r\x1b[{self._rows};1H{_CLEAR}{_RESTORE}")

    def update(self) -> None:
        """Draw the line anew."""
        size = os.get_terminal_size(self._descriptor)
        if size.lines < _LEAST_ROWS:
            return
        if size.lines != self._rows:
            self._rows = size.lines
            # A line break makes room if the cursor is in the last row; setting the region moves the cursor.
            self._write(f"\n\x1b[A{_SAVE}\x1b[1;{self._rows - 1}r{_RESTORE}")
        ledger, now = self._capture.ledger(), time.monotonic()
        before, records_before = self._last
        rate = (ledger["records"] - records_before) / max(now - before, 1e-3)
        self._last = (now, ledger["records"])
        text = status_text(rate, self._capture.watched_processes, ledger)[: size.columns - 1]
        self._write(f"{_SAVE}\x1b[{self._rows};1H{_CLEAR}{_DIM}{text}{_PLAIN}{_RESTORE}")

    def _write(self, text: str) -> None:
        os.write(self._descriptor, text.encode())


def status_text(rate: float, watched: int, ledger: dict[str, int]) -> str:
    """Rate of records, their number, watched processes, and what was lost by cause."""
    lost = losses(ledger)
    causes = ", ".join(f"{cause} {count}" for cause, count in lost.items())
    shown = f"{rate:.1f}" if rate < 99.95 else f"{rate:.0f}"
    return " · ".join(
        [
            f"{shown}/s",
            f"{ledger['records']} records",
            f"{watched} processes",
            f"lost {sum(lost.values())} operations ({causes})" if lost else "complete",
            "Ctrl-C ends",
        ]
    )
