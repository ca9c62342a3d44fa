"""Two records of one exchange, of its client and of its server, on one axis with the network between them.

The same rules as `web/src/exchanges/both_ends.ts`; `tests/waterfall/cases.json` holds both to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rover.cli.timeline import Segment, segments

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clocks:
    """How the two records were brought onto one axis."""

    is_one: bool
    """Both ends were seen by one rover, which has one clock."""
    offset_ns: int | None
    """How far the server's clock is ahead of the client's; None: not known, the clocks are taken as they are."""
    within_ns: int | None
    """The offset is known to plus or minus this much."""


@dataclass(frozen=True, slots=True)
class BothEnds:
    """Segments of the three lanes, on the axis of the client's record."""

    client: list[Segment]
    network: list[Segment]
    server: list[Segment]
    clocks: Clocks


def both_ends(client: Record, server: Record) -> BothEnds:
    """The two records of one exchange on the axis of the client's."""
    shift_ns, clocks = _shift(client, server)
    waiting = [
        replace(segment, layer="wait", what="waiting for the other end") if segment.layer == "network" else segment
        for segment in segments(client)
    ]
    there = _way("request", _point(client, _OUT), _moved(_point(server, _IN), shift_ns))
    back = _way("response", _moved(_point(server, _OUT), shift_ns), _point(client, _IN))
    return BothEnds(waiting, there + back, [segment.moved(shift_ns) for segment in segments(server)], clocks)


_OUT = ("nic_out", "queue_out", "write")
_IN = ("nic_in", "tcp_in", "read")
"""Points of the first packet, the nearest to the network first."""


def _point(record: Record, names: tuple[str, ...]) -> tuple[int, bool] | None:
    """Offset of the first of these points that the record has, and whether that is the network's own edge."""
    found = dict(reversed(record.get("timeline") or []))
    name = next((name for name in names if name in found), None)
    return None if name is None else (found[name], name == names[0])


def _moved(point: tuple[int, bool] | None, by_ns: int) -> tuple[int, bool] | None:
    return None if point is None else (point[0] + by_ns, point[1])


def _way(message: str, start: tuple[int, bool] | None, end: tuple[int, bool] | None) -> list[Segment]:
    if start is None or end is None or end[0] <= start[0]:
        return []
    where = "on the network" if start[1] and end[1] else "through kernel and network"
    return [Segment("network", f"the {message} {where}", start[0], end[0])]


def _shift(client: Record, server: Record) -> tuple[int, Clocks]:
    """Where the server's record begins on the client's axis.

    Of two nodes only the differences on each clock are sure. As NTP does (RFC 5905 §8), the time that the server held
    the exchange is laid into the middle of the time that the client waited: right if both ways take the same time."""
    if _run(client) == _run(server):
        return server["start_ns"] - client["start_ns"], Clocks(is_one=True, offset_ns=0, within_ns=0)
    by_wall_ns = _wall_ns(server) - _wall_ns(client)
    left, came = _point(client, _OUT), _point(client, _IN)
    arrived, answered = _point(server, _IN), _point(server, _OUT)
    if left is not None and came is not None and arrived is not None and answered is not None:
        spare_ns = (came[0] - left[0]) - (answered[0] - arrived[0])
        if spare_ns >= 0:
            shift_ns = left[0] + spare_ns // 2 - arrived[0]
            return shift_ns, Clocks(is_one=False, offset_ns=by_wall_ns - shift_ns, within_ns=(spare_ns + 1) // 2)
    return by_wall_ns, Clocks(is_one=False, offset_ns=None, within_ns=None)


def _run(record: Record) -> str:
    """The part of the id that is one per run of an engine."""
    return str(record["id"])[16:24]


def _wall_ns(record: Record) -> int:
    return int(record["id"][:16], 16)
