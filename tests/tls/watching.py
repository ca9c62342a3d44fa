"""A capture in this process, with its raw events and its status of TLS libraries."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rover.config import Config
from rover.config.tree import Tls
from rover.daemon import Capture
from tests.stage.recording import RawEvent, TlsCall, events_of

RECORDING_BYTES = 256 << 20
ANY_TIME = 1 << 63


class Watching:
    """What a capture saw; `events` are there after its end."""

    def __init__(self, capture: Capture, recording: Path) -> None:
        self._capture = capture
        self._recording = recording
        self.ledger = ""
        self.events: list[RawEvent] = []

    def status(self) -> dict[str, Any]:
        """Libraries, blind windows, counters."""
        return self._capture.tls()

    def stats(self) -> dict[str, Any]:
        """The engine's counters."""
        return self._capture.stats()

    def library(self, path: Path) -> dict[str, Any] | None:
        """The status of the library at this very path."""
        return next((each for each in self.status()["libraries"] if each["path"] == str(path.resolve())), None)

    def finish(self) -> None:
        """Detach everything, read the events."""
        self.ledger = self._capture.finish()
        print(self.ledger)  # shown where a test fails
        self.events = events_of(self._recording)

    def calls_of(self, pid: int) -> list[TlsCall]:
        """Calls of a process that moved plaintext."""
        return [event for event in self.events if isinstance(event, TlsCall) and event.tgid == pid]


@contextmanager
def watching(folder: Path, skip: tuple[str, ...] = ()) -> Iterator[Watching]:
    """Captures while the block runs."""
    recording = folder / "case.rover"
    capture = Capture(Config(tls=Tls(skip=skip)))
    capture.engine.record_to(str(recording), RECORDING_BYTES)
    capture.start()
    watch = Watching(capture, recording)
    try:
        yield watch
    finally:
        watch.finish()


def bytes_of(calls: list[TlsCall], direction: int) -> bytes:
    """All plaintext of a direction. AssertionError where some is missing."""
    found = [call for call in calls if call.direction == direction]
    for call in found:
        assert (call.captured, call.skipped, call.tail) == (call.length, 0, 0), call
    return b"".join(call.payload for call in found)


def count_of(calls: list[TlsCall], direction: int) -> int:
    """How many bytes of plaintext moved in a direction; each session's offsets must be without gap."""
    ends: dict[tuple[int, int], int] = {}
    for call in (call for call in calls if call.direction == direction):
        key = (call.session, call.opened_ns)
        assert call.offset == ends.get(key, 0), call
        ends[key] = call.offset + call.length
    return sum(ends.values())
