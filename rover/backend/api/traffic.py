"""Sums of metrics as the figures that people read. Pure: figures in, shapes out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rover.backend.api.traffic_shapes import Heat, Layers, Traffic
from rover.backend.metrics import Figures
from rover.backend.store import histogram

BANDS = 24
"""A heat map has at most so many bands of durations."""
COLUMNS = (
    *("http_calls", "http_successes", "http_ns_of", "http_ns", "connects", "accepts", "write_bytes", "read_bytes"),
    *("write_packets", "write_retransmits", "write_drops", "read_drops"),
)
"""What `traffic` is made of."""
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def traffic(figures: Figures, watched_s: float) -> Traffic:
    """The figures of a span of time of which `watched_s` has data."""
    p50_ns, p95_ns, p99_ns = figures.percentiles_ns((0.5, 0.95, 0.99))
    told = dict(zip(COLUMNS, figures.pick(*COLUMNS), strict=True))
    calls, timed = told["http_calls"], told["http_ns_of"]
    return Traffic(
        calls=calls,
        calls_per_minute=round(calls * 60 / watched_s, 3),
        success_rate=told["http_successes"] / calls if calls else None,
        mean_ns=told["http_ns"] // timed if timed else None,
        p50_ns=p50_ns,
        p95_ns=p95_ns,
        p99_ns=p99_ns,
        connects=told["connects"] + told["accepts"],
        sent_bytes=told["write_bytes"],
        received_bytes=told["read_bytes"],
        sent_packets=told["write_packets"],
        retransmits=told["write_retransmits"],
        drops=told["write_drops"] + told["read_drops"],
    )


def statuses(bars: Sequence[Figures]) -> dict[str, list[int]]:
    """Calls by status class."""
    found = {name: [bar[f"status_{name}"] for bar in bars] for name in STATUSES}
    return {**found, "none": [bar["http_no_responses"] for bar in bars]}


def percentile_lines(bars: Sequence[Figures]) -> list[list[int | None]]:
    """p50, p95 and p99 of each bar."""
    rows = [bar.percentiles_ns((0.5, 0.95, 0.99)) for bar in bars]
    return [[row[at] for row in rows] for at in range(3)]


def heat(bars: Sequence[Figures]) -> Heat:
    """Bands of one width on a logarithmic scale, BANDS of them at most."""
    buckets = {bucket for bar in bars for bucket in bar.durations}
    if not buckets:
        return Heat([], [[] for _ in bars])
    octave = {bucket: math.log2(max(1, histogram.value_ns(bucket))) for bucket in buckets}
    first = math.floor(min(octave.values()))
    # Half octaves where they are few enough to be seen.
    width = next(width for width in (0.5, 1, 2, 4) if (max(octave.values()) - first) / width < BANDS)
    band = {bucket: int((at - first) / width) for bucket, at in octave.items()}
    bands = max(band.values()) + 1
    counts = [[0] * bands for _ in bars]
    for row, bar in zip(counts, bars, strict=True):
        for bucket, count in bar.durations.items():
            row[band[bucket]] += count
    return Heat([round(2 ** (first + width * at)) for at in range(bands + 1)], counts)


def sending(bars: Sequence[Figures]) -> Layers:
    """Time of writes by layer, each without those inside it."""
    return Layers(
        socket=[_left(bar, "write_ns", "write_l4_ns") for bar in bars],
        tcp=[_left(bar, "write_l4_ns", "write_l3_ns") for bar in bars],
        ip=[_left(bar, "write_l3_ns", "write_l2_ns", "write_netfilter_ns") for bar in bars],
        netfilter=[_counted(bar, "write_netfilter_ns", "write_netfilters") for bar in bars],
        queue=[_left(bar, "write_l2_ns", "write_l2_send_ns") for bar in bars],
        device=[_left(bar, "write_l2_send_ns") for bar in bars],
        wait=[None for _ in bars],
    )


def receiving(bars: Sequence[Figures]) -> Layers:
    """Time of reads by layer. Packets arrive before they are read: the layers are not inside the system call."""
    return Layers(
        socket=[_left(bar, "read_ns") for bar in bars],
        tcp=[_left(bar, "read_l4_ns") for bar in bars],
        ip=[_left(bar, "read_l3_ns", "read_l4_ns", "read_netfilter_ns") for bar in bars],
        netfilter=[_counted(bar, "read_netfilter_ns", "read_netfilters") for bar in bars],
        queue=[_left(bar, "read_to_queue_ns") for bar in bars],
        device=[None for _ in bars],
        wait=[_left(bar, "read_from_queue_ns") for bar in bars],
    )


_UNCOUNTED = ("write_netfilter_ns", "read_netfilter_ns")
"""Sums that are zero, not unknown, where nothing was measured."""


def _left(bar: Figures, whole: str, *inner: str) -> int | None:
    """The whole less what is inside it; None if a part of that was not measured."""
    parts = [name for name in (whole, *inner) if name not in _UNCOUNTED]
    if not all(bar[f"{name}_of"] for name in parts):
        return None
    left = bar[whole] - sum(bar[name] for name in inner)
    return left if left >= 0 else None


def _counted(bar: Figures, sum_ns: str, count: str) -> int | None:
    return bar[sum_ns] if bar[count] else None
