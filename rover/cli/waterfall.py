"""Segments drawn in a terminal: a bar under a line, and the whole waterfall of an exchange with its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rover.cli.both_ends import BothEnds, Clocks, both_ends
from rover.cli.layer_figures import Cell, Kind, drops, is_below_socket_known, rows
from rover.cli.lines import UNKNOWN, bytes_text, duration_text, end_text, line, printable
from rover.cli.timeline import LAYERS, Segment, segments

Record = dict[str, Any]

BLOCKS = {
    "application": "█",
    "tls": "▓",
    "socket": "▒",
    "tcp": "▚",
    "ip": "▞",
    "netfilter": "▙",
    "queue": "▄",
    "device": "▀",
    "network": "░",
    "wait": "·",
}
"""Alike with and without colour, which only repeats them; the same in `reporters/src/text/bar.rs`."""

_COLORS = {
    "application": 32,
    "tls": 133,
    "socket": 74,
    "tcp": 36,
    "ip": 107,
    "netfilter": 167,
    "queue": 178,
    "device": 95,
    "network": 98,
    "wait": 247,
}
"""Of the 256 of a terminal those next to the page's tokens."""

INDENT = 2
NARROWEST = 60
"""A smaller terminal wraps."""
WIDE = 110
"""From here on there is room for what happened beside the bar."""
_WHAT = 45
_LAYER = 11
_DURATION = 8


@dataclass(frozen=True, slots=True)
class Screen:
    """Where it is drawn."""

    width: int = 80
    has_color: bool = False

    @property
    def columns(self) -> int:
        """Never less than something can be read in."""
        return max(self.width, NARROWEST)

    def block(self, layer: str, count: int = 1) -> str:
        """So many cells of a layer."""
        cells = BLOCKS[layer] * count
        return f"\x1b[38;5;{_COLORS[layer]}m{cells}\x1b[0m" if self.has_color else cells


def legend(screen: Screen) -> list[str]:
    """Which block is which layer, in as many lines as it takes."""
    lines: list[list[str]] = [[]]
    used = 0
    for layer, name in LAYERS.items():
        width = len(name) + 4
        if used + width - 2 > screen.columns - INDENT:
            lines.append([])
            used = 0
        lines[-1].append(f"{screen.block(layer)} {name}")
        used += width
    return [" " * INDENT + "  ".join(parts) for parts in lines]


def bar(record: Record, screen: Screen) -> str:
    """One line, to the scale of this exchange alone; `–` and the reason if nothing is known of it."""
    parts = segments(record)
    if not parts:
        return f"{' ' * INDENT}{UNKNOWN} {why_no_segments(record)}"
    start_ns, end_ns = extent(parts, record)
    return " " * INDENT + _drawn(parts, start_ns, end_ns, screen.columns - INDENT, screen).rstrip()


def show(record: Record, partner: Record | None, screen: Screen) -> Iterator[str]:
    """The exchange, its waterfall, and the figures of each record, as lines."""
    ends = sorted([record, partner], key=_is_server) if partner else [record]
    yield line(record)
    yield f"id {record['id']}" + (f", seen at the other end as {partner['id']}" if partner else "")
    yield ""
    yield from _waterfall(ends, screen)
    for each in ends:
        yield ""
        yield from _figures(each)


def extent(parts: Sequence[Segment], record: Record) -> tuple[int, int]:
    """Start and end of the axis: on it are the segments and the whole of the record whose start is its zero."""
    ends_ns = [part.end_ns for part in parts]
    return min(0, *(part.start_ns for part in parts)), max(record.get("duration_ns") or 0, *ends_ns)


def cells(parts: Sequence[Segment], start_ns: int, end_ns: int, width: int) -> list[str | None]:
    """Layer of each of `width` cells. The short are laid over the long: a microsecond beside a second keeps a cell."""
    found: list[str | None] = [None] * width
    length_ns = end_ns - start_ns
    for part in sorted(parts, key=lambda part: -part.duration_ns):
        first = min((part.start_ns - start_ns) * width // length_ns, width - 1)
        last = max(first + 1, ((part.end_ns - start_ns) * width + length_ns // 2) // length_ns)
        found[first:last] = [part.layer] * (last - first)
    return found


def why_no_segments(record: Record) -> str:
    """Why there is nothing to draw."""
    if record.get("duration_ns") is None:
        return "no response was seen"
    return "no points in time between start and end are known"


def _is_server(record: Record) -> bool:
    return bool(record["side"] == "server")


def _waterfall(ends: Sequence[Record], screen: Screen) -> Iterator[str]:
    lanes = [(ends[0]["side"], segments(ends[0]))]
    both: BothEnds | None = None
    if len(ends) == 2:
        both = both_ends(*ends)
        lanes = [("client", both.client), ("network", both.network), ("server", both.server)]
    every = [part for _, parts in lanes for part in parts]
    if not every:
        yield f"{UNKNOWN} {why_no_segments(ends[0])}"
        return
    start_ns, end_ns = extent(every, ends[0])
    names = {record["side"]: f" {end_text(record['local'])}" for record in ends}
    for lane, parts in lanes:
        yield f"{lane}{names.get(lane, '')}"
        for part in parts:
            yield _step(part, start_ns, end_ns, screen)
        if not parts:
            yield f"{' ' * INDENT}{UNKNOWN} {_why_empty(lane, ends)}"
    yield f"to scale: {duration_text(end_ns - start_ns)} from left to right"
    if both is not None:
        yield clocks_text(both.clocks)


def _why_empty(lane: str, ends: Sequence[Record]) -> str:
    if lane == "network":
        return "no points in time before and after it are known"
    return why_no_segments(next(record for record in ends if record["side"] == lane))


def clocks_text(clocks: Clocks) -> str:
    """How far the two lanes can be trusted to lie right."""
    if clocks.is_one:
        return "clocks: one, both ends were seen on one node"
    if clocks.offset_ns is None or clocks.within_ns is None:
        return "clocks: of two nodes, their offset is not known; drawn as they are"
    ahead = "ahead of" if clocks.offset_ns >= 0 else "behind"
    return (
        f"clocks: the server's is {duration_text(abs(clocks.offset_ns))} {ahead} the client's "
        f"(± {duration_text(clocks.within_ns)}), taken out as if both ways took the same time"
    )


def _step(part: Segment, start_ns: int, end_ns: int, screen: Screen) -> str:
    """One segment at its place on the axis."""
    has_room = screen.columns >= WIDE
    what = f"{part.what:<{_WHAT}} " if has_room else ""
    width = screen.columns - INDENT - _LAYER - 1 - len(what) - _DURATION - 1
    text = f"{' ' * INDENT}{LAYERS[part.layer]:<{_LAYER}} {what}{duration_text(part.duration_ns):>{_DURATION}} "
    return text + _drawn([part], start_ns, end_ns, width, screen).rstrip()


def _drawn(parts: Sequence[Segment], start_ns: int, end_ns: int, width: int, screen: Screen) -> str:
    drawn: list[str] = []
    run: list[str | None] = []
    for cell in [*cells(parts, start_ns, end_ns, width), ""]:
        if run and cell != run[0]:
            layer = run[0]
            drawn.append(" " * len(run) if layer is None else screen.block(layer, len(run)))
            run = []
        run.append(cell)
    return "".join(drawn)


def _figures(record: Record) -> Iterator[str]:
    found = rows(record.get("kernel"))
    yield f"{record['side']}: what the kernel did, as sums over the exchange's socket operations and packets"
    if not found:
        yield f"{' ' * INDENT}{UNKNOWN} no socket operation of it was measured"
        return
    yield f"{' ' * INDENT}{'layer':<{_LAYER}} {'figure':<28} {'sent':>12} {'received':>12}"
    is_whole = is_below_socket_known(found)
    layer = ""
    for row in found if is_whole else [row for row in found if row.layer == "socket"]:
        name = "" if row.layer == layer else LAYERS[row.layer]
        layer = row.layer
        sent, received = _cell_text(row.sent, row.kind), _cell_text(row.received, row.kind)
        yield f"{' ' * INDENT}{name:<{_LAYER}} {row.what:<28} {sent:>12} {received:>12}".rstrip()
    if not is_whole:
        yield f"{' ' * INDENT}{UNKNOWN} the layers below the socket were not measured: their hooks are not attached"
    for dropped in drops(record.get("kernel")):
        yield f"{' ' * INDENT}dropped: {printable(dropped)}"


def _cell_text(cell: Cell, kind: Kind) -> str:
    if cell is False:
        return ""
    if cell is None:
        return UNKNOWN
    if kind == "ns":
        return duration_text(int(cell))
    return bytes_text(int(cell)) if kind == "bytes" else printable(str(cell))
