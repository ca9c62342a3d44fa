"""Durations as counts of logarithmic buckets: they merge by addition and give any percentile.

The mapping is DDSketch's (Masson, Rim, Lee: "DDSketch", VLDB 2019): bucket i holds the values in [γ^i, γ^(i+1)), and
the value told for it is off by at most RELATIVE_ERROR. Without the sketch's collapsing: nanoseconds up to 2^63 need
2184 buckets, which is ceiling enough. The packages that implement it cost more than a microsecond per value.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate

RELATIVE_ERROR = 0.01
"""A percentile is at most this far from the value of that rank, relatively."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_SCALE = 1 / math.log(_GAMMA)

Buckets = dict[int, int]
"""Bucket number to how many values fell into it."""


def count(durations_ns: Iterable[int]) -> Buckets:
    """Buckets of these values; what is below 1 ns counts as 1 ns."""
    log, scale = math.log, _SCALE
    return Counter([int(log(value) * scale) if value > 1 else 0 for value in durations_ns])


def add(total: Buckets, more: Mapping[int, int]) -> None:
    """Add `more` to `total`."""
    known = total.get
    for bucket, number in more.items():
        total[bucket] = known(bucket, 0) + number


def percentiles(buckets: Mapping[int, int], shares: Iterable[float]) -> list[int | None]:
    """Nearest-rank percentiles in ns for `shares` (0.5, 0.95, …); None for each if nothing was counted."""
    total = sum(buckets.values())
    wanted = list(shares)
    if not total:
        return [None for _ in wanted]
    ascending = sorted(buckets)
    ranks = list(accumulate([buckets[bucket] for bucket in ascending]))
    return [value_ns(ascending[bisect_left(ranks, max(1, math.ceil(share * total)))]) for share in wanted]


@cache
def value_ns(bucket: int) -> int:
    """What is told for the values of a bucket."""
    return round(_GAMMA**bucket * 2 * _GAMMA / (1 + _GAMMA))


def encode(buckets: Mapping[int, int]) -> bytes:
    """All bucket numbers (16 bits each), then all counts (32 bits each), little-endian; 6 bytes a bucket."""
    return struct.pack(f"<{len(buckets)}H{len(buckets)}I", *buckets.keys(), *buckets.values())


def decode(blob: bytes) -> Buckets:
    """What `encode` was given. Raises struct.error on anything else."""
    size = len(blob) // 6
    values = struct.unpack(f"<{size}H{size}I", blob)
    return dict(zip(values[:size], values[size:], strict=True))
