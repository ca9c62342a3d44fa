"""Holds the records of a running rover against the truth, both sides of the loopback at once."""

from collections.abc import Sequence

from .comparison import compare
from .exchange import Exchange
from .rover import Record, Rover
from .soundness import faults

BOTH = ("server", "client")
WAIT_SECONDS = 8.0
"""How long records may lag behind the traffic. rover needs milliseconds; a loaded machine may need more."""


class Judge:
    """Judges what one rover tells of the servers on given ports."""

    def __init__(self, rover: Rover) -> None:
        self.rover = rover
        self._verdicts: dict[tuple[int, str], int] = {}

    def records(self, port: int, side: str) -> list[Record]:
        """Records so far of the server on `port`, as seen by one side, in the order in which they were written."""
        return list(self.rover.records_of(port, side))

    def require(
        self,
        port: int,
        truth: Sequence[Exchange],
        sides: Sequence[str] = BOTH,
        excused: frozenset[str] = frozenset(),
        seconds: float = WAIT_SECONDS,
    ) -> None:
        """Wait for the records of `truth` and fail unless they are there, sound, and exactly these.

        `truth` is everything that happened on this port so far. `excused` are flags that may explain a difference.
        """
        growing = [self.rover.records_of(port, side) for side in sides]
        self.rover.wait_for(lambda: all(len(records) >= len(truth) for records in growing), seconds)
        assert not self.rover.has_ended(), "rover ended:\n" + "\n".join(self.rover.errors)
        for side in sides:
            records = self.records(port, side)
            differences = compare(records, truth, excused)
            assert not differences, f"{side} side: {differences}"
            unsound = {fault for record in records for fault in faults(record)}
            assert not unsound, f"{side} side: " + "; ".join(sorted(unsound))
            self._verdicts[port, side] = len(records)

    def require_no_afterthought(self) -> None:
        """Fail if rover told more of a port after its verdict than before: something invented that came late."""
        late = {key: len(self.records(*key)) - number for key, number in self._verdicts.items()}
        assert not any(late.values()), f"records after the verdict, by port and side: {late}"
