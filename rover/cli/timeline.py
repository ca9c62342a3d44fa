"""A record's timeline as segments: what was going on between two neighbouring points, and in which layer.

The same rules as `reporters/src/timeline.rs` and `web/src/exchanges/timeline.ts`: `tests/waterfall/cases.json` holds
all three to them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

LAYERS = {
    "application": "application",
    "tls": "TLS",
    "socket": "socket",
    "tcp": "TCP (L4)",
    "ip": "IP (L3)",
    "netfilter": "netfilter",
    "queue": "queue (L2)",
    "device": "device",
    "network": "network",
    "wait": "wait",
}
"""Names that people read, everywhere the same and in this order."""

_INWARD = frozenset({"nic_in", "ip_in", "tcp_in", "read", "tls_read", "read_end"})
"""Points on the way of what comes in; all others are of what goes out."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Time between two points, in nanoseconds from the record's start."""

    layer: str
    what: str
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """At least 1."""
        return self.end_ns - self.start_ns

    def moved(self, by_ns: int) -> Segment:
        """The same on an axis whose zero lies so much earlier."""
        return Segment(self.layer, self.what, self.start_ns + by_ns, self.end_ns + by_ns)


def segments(record: dict[str, Any]) -> list[Segment]:
    """Segments in the order of time; those without duration are left out. Empty if nothing is known."""
    points = record.get("timeline") or []
    side = record["side"]
    if len(points) < 2:
        return _halves(record)
    return [
        Segment(*_between(side, name, following), start_ns, end_ns)
        for (name, start_ns), (following, end_ns) in pairwise(points)
        if end_ns > start_ns
    ]


def _halves(record: dict[str, Any]) -> list[Segment]:
    """Without a timeline the time to the first byte still divides the exchange in two."""
    first_byte_ns, duration_ns = record.get("first_byte_ns"), record.get("duration_ns")
    if first_byte_ns is None or duration_ns is None:
        return []
    if record["side"] == "server":
        before, after = ("application", "request and application, until the first byte"), "writing the response"
    else:
        before, after = ("network", "request, network and the other end"), "reading the response"
    both = [Segment(*before, 0, first_byte_ns), Segment("socket", after, first_byte_ns, duration_ns)]
    return [segment for segment in both if segment.end_ns > segment.start_ns]


def _between(side: str, start: str, end: str) -> tuple[str, str]:
    """Layer and words for what lies between two neighbouring points."""
    is_server = side == "server"
    incoming, outgoing = ("request", "response") if is_server else ("response", "request")
    if end == "tls_read":
        return "tls", f"decrypting the {incoming}"
    if start == "tls_write":
        return "tls", f"encrypting the {outgoing}"
    match (start in _INWARD, end in _INWARD):
        case (True, True):
            return _inward(start, end, incoming)
        case (False, False):
            return _outward(start, end, outgoing)
        case (True, False):
            if end in ("write", "tls_write"):
                return "application", "the application at work"
            return "socket", f"writing the {outgoing}"
        case _:
            if end == "read_end":
                return "socket", f"reading the {incoming}"
            return ("wait", "until more of the request came") if is_server else ("network", "network and the other end")


def _inward(start: str, end: str, message: str) -> tuple[str, str]:
    match (start, end):
        case ("nic_in", "ip_in"):
            return "device", "from the device to IP"
        case ("nic_in", "tcp_in"):
            return "ip", "from the device through IP"
        case ("ip_in", "tcp_in"):
            return "ip", "through IP"
        case ("nic_in" | "ip_in", _):
            return "wait", "through the kernel until read"
        case ("tcp_in", _):
            return "wait", "in the socket's queue until read"
        case ("read_end", _):
            return "wait", f"until more of the {message} came"
        case _:
            return "socket", f"reading the {message}"


def _outward(start: str, end: str, message: str) -> tuple[str, str]:
    match (start, end):
        case (_, "write_end") | ("last_nic_out", _):
            return "socket", f"writing the {message}"
        case ("write_end", _):
            return "wait", "in queues until the packets left"
        case ("nic_out", "last_nic_out"):
            return "socket", "writing on until the last packet left"
        case ("write", "tcp_out"):
            return "socket", "into the kernel"
        case ("write" | "tcp_out", "ip_out"):
            return "tcp", "through TCP"
        case ("write" | "tcp_out", _):
            return "tcp", "through TCP and IP"
        case ("ip_out", _):
            return "ip", "through IP"
        case ("queue_out", _):
            return "queue", "in the device's queue"
        case _:
            return "socket", f"writing the {message}"
