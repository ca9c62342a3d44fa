"""Sums and durations of one entity over a span of time, with names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rover import _engine
from rover.backend.store import histogram

COLUMNS = {name: number for number, name in enumerate(_engine.figure_columns())}
"""Names of the sums. `x_of` counts the operations that `x` was measured of. Times are ns, sizes bytes:

connects, connect_successes, connect_ns, accepts, accept_ns, closes, close_ns; writes, reads (socket operations) and
their write_/read_ bytes, packets, ns (in the system call), drops, layer times; write_retransmits; http_calls,
http_successes, http_no_responses, http_ns, request_/response_ head_/body_bytes, status_1xx to status_5xx; over_http,
over_https, over_tcp, over_tls: messages by protocol; http_bytes: requests and responses as on the wire."""


class Figures:
    """What happened to an entity. Two of them add up to a third."""

    __slots__ = ("_columns", "durations")

    def __init__(self, columns: Sequence[int] | None = None, durations: histogram.Buckets | None = None) -> None:
        self._columns = columns if columns is not None else [0] * len(COLUMNS)
        self.durations: histogram.Buckets = durations if durations is not None else {}
        """Durations of calls as buckets of `histogram`."""

    def __getitem__(self, column: str) -> int:
        """A sum. KeyError: no such column."""
        return self._columns[COLUMNS[column]]

    def __add__(self, other: Figures) -> Figures:
        """Both together."""
        durations = dict(self.durations)
        histogram.add(durations, other.durations)
        return Figures([a + b for a, b in zip(self._columns, other._columns, strict=True)], durations)

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
        return histogram.percentiles(self.durations, shares)

    def components(self) -> list[str]:
        """Protocols that were spoken: https, http, tls, tcp."""
        return [name for name in ("https", "http", "tls", "tcp") if self[f"over_{name}"]]


def total(figures: Iterable[Figures]) -> Figures:
    """All together."""
    sum_ = Figures()
    for one in figures:
        sum_ = sum_ + one
    return sum_


def summed_column(keys: list[int], blobs: list[bytes], column: str) -> Mapping[int, int]:
    """One sum of stored figures with the same key. KeyError: no such column."""
    return _engine.sum_column(keys, blobs, COLUMNS[column])


def summed(keys: list[int], blobs: list[bytes]) -> Mapping[int, Figures]:
    """Stored figures with the same key added up."""
    return {key: Figures(*found) for key, found in _engine.sum_figures(keys, blobs).items()}
