"""Sums and durations of one entity over a span of time, with names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rover import _engine
from rover.backend.store import histogram

COLUMNS = {name: number for number, name in enumerate(_engine.figure_columns())}
"""Names of the sums. `x_of` counts the operations that `x` was measured of. Times are ns, sizes bytes:

connects, connect_successes, connect_ns, accepts, accept_ns, closes, close_ns; writes, reads (socket operations) and
their write_/read_ bytes, packets, ns (in the system call), drops, layer times; write_retransmits; http_calls,
http_successes, http_no_responses, http_ns, request_/response_ head_/body_bytes, status_1xx to status_5xx; over_http,
over_https, over_tcp, over_tls: messages by protocol; http_bytes: requests and responses as on the wire."""


PROTOCOLS = ("https", "http", "tls", "tcp")


@cache
def _numbers(columns: tuple[str, ...]) -> list[int]:
    return [COLUMNS[column] for column in columns]


class Figures:
    """What happened to an entity. Two of them add up to a third."""

    __slots__ = ("_sums",)

    def __init__(self, sums: _engine.Figures | None = None) -> None:
        self._sums = sums or _engine.Figures()

    def __getitem__(self, column: str) -> int:
        """A sum. KeyError: no such column."""
        return self._sums.column(COLUMNS[column])

    def pick(self, *columns: str) -> list[int]:
        """Several sums at once. KeyError: no such column."""
        return self._sums.columns(_numbers(columns))

    def __add__(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(self._sums + other._sums)

    @property
    def durations(self) -> histogram.Buckets:
        """Durations of calls as buckets of `histogram`."""
        return self._sums.buckets()

    @property
    def calls(self) -> int:
        """HTTP exchanges whose request is known."""
        return self["http_calls"]

    @property
    def failures(self) -> int:
        """Calls with a status of 500 and above, or without a response."""
        return self["http_calls"] - self["http_successes"]

    def average(self, column: str, of: str | None = None) -> int | None:
        """Integer mean of a column over the operations it was measured of; None if there were none."""
        count = self[of or f"{column}_of"]
        return self[column] // count if count else None

    def percentiles_ns(self, shares: Iterable[float]) -> list[int | None]:
        """Durations of calls at ascending `shares` (0.5, 0.99, …), off by 1 % at most; None without calls."""
        found = self._sums.ranked(list(shares))
        return [None if bucket is None else histogram.value_ns(bucket) for bucket in found]

    def components(self) -> list[str]:
        """Protocols that were spoken: https, http, tls, tcp."""
        spoken = self.pick(*(f"over_{name}" for name in PROTOCOLS))
        return [name for name, count in zip(PROTOCOLS, spoken, strict=True) if count]


def total(figures: Iterable[Figures]) -> Figures:
    """All together."""
    sum_ = Figures()
    for one in figures:
        sum_ = sum_ + one
    return sum_
