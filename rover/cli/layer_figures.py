"""The kernel's figures of one record, by layer.

The same rows as `web/src/exchanges/layer_figures.ts`; `tests/waterfall/cases.json` holds both to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Sums = Mapping[str, Any]
Kind = Literal["count", "bytes", "ns", "text"]
Cell = int | str | Literal[False] | None
"""None: not measured. False: there is no such figure in this direction."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one layer, as sent and as received."""

    layer: str
    what: str
    kind: Kind
    sent: Cell
    received: Cell


_Source = str | tuple[str, ...]
"""A name of `kernel.write` or `kernel.read`; of several the first less the others, of which those with "?" may be
unknown. "": no such figure."""

_ROWS: tuple[tuple[str, str, Kind, _Source, _Source], ...] = (
    ("socket", "operations", "count", "operations", "operations"),
    ("socket", "bytes", "bytes", "bytes", "bytes"),
    ("socket", "in the system call", "ns", "syscall_ns", "syscall_ns"),
    ("tcp", "packets", "count", "packets", "packets"),
    ("tcp", "bytes of packets", "bytes", "packet_bytes", "packet_bytes"),
    ("tcp", "retransmits", "count", "retransmits", ""),
    ("tcp", "with the layers inside", "ns", "l4_ns", ""),
    ("tcp", "by itself", "ns", ("l4_ns", "l3_ns"), "l4_ns"),
    ("ip", "with the layers inside", "ns", "l3_ns", "l3_ns"),
    ("ip", "by itself", "ns", ("l3_ns", "l2_ns", "?netfilter_ns"), ("l3_ns", "l4_ns", "?netfilter_ns")),
    ("ip", "local", "ns", "l3_local_ns", "l3_local_ns"),
    ("ip", "output", "ns", "l3_output_ns", ""),
    ("ip", "receive", "ns", "", "l3_receive_ns"),
    ("ip", "address resolutions", "count", "resolve_count", ""),
    ("ip", "address resolution", "ns", "resolve_ns", ""),
    ("netfilter", "runs", "count", "netfilter_count", "netfilter_count"),
    ("netfilter", "by itself", "ns", "netfilter_ns", "netfilter_ns"),
    ("queue", "entries", "count", "queue_entries", ""),
    ("queue", "with the device", "ns", "l2_ns", ""),
    ("queue", "by itself", "ns", ("l2_ns", "l2_send_ns"), ""),
    ("queue", "until the device took it", "ns", "l2_ready_ns", ""),
    ("queue", "from arrival to the socket", "ns", "", "l2_to_queue_ns"),
    ("device", "interface", "text", "interface", "interface"),
    ("device", "sending", "ns", "l2_send_ns", ""),
    ("wait", "in the socket's queue", "ns", "", "queue_wait_ns"),
)


def rows(kernel: Mapping[str, Sums] | None) -> list[Row]:
    """Every figure that there can be, in the order of the layers; of a record without sums none."""
    write, read = (kernel or {}).get("write"), (kernel or {}).get("read")
    if write is None and read is None:
        return []
    return [
        Row(layer, what, kind, _cell(write, sent), _cell(read, received)) for layer, what, kind, sent, received in _ROWS
    ]


def is_below_socket_known(found: Sequence[Row]) -> bool:
    """Whether anything below the socket was measured."""
    measured = (cell for row in found if row.layer != "socket" for cell in (row.sent, row.received))
    return any(cell is not None and cell is not False for cell in measured)


def drops(kernel: Mapping[str, Sums] | None) -> list[str]:
    """What the kernel threw away, in its own words: `3 × NO_SOCKET in tcp_v4_rcv`."""
    dropped = ((kernel or {}).get("write") or {}).get("drops") or []
    return [f"{drop['count']} × {drop['reason']} in {drop['location']}" for drop in dropped]


def _cell(sums: Sums | None, source: _Source) -> Cell:
    if not source:
        return False
    if sums is None:
        return None
    if isinstance(source, str):
        value: Cell = sums.get(source)
        return value
    left: int | None = sums.get(source[0])
    for name in source[1:]:
        inner = sums.get(name.lstrip("?"))
        if left is not None and inner is not None:
            left -= inner
        elif not name.startswith("?"):
            return None
    # Less than nothing: packets were handled elsewhere than where the sum was taken, so the difference says nothing.
    return None if left is None or left < 0 else left
