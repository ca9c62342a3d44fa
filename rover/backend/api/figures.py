"""Sums of the store as the figures that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from rover.backend.api.shapes import EndpointFigures, Endpoints, ServiceFigures, Services, TimeSpan
from rover.backend.metrics import Figures as Told
from rover.backend.metrics import Metrics
from rover.backend.store import OTHER, Store, Summary, histogram
from rover.backend.store.query import Span

K = TypeVar("K")


class Endpointed:
    """Names of endpoints as metrics have them, found by method and path."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        # Braces are a segment that differs from call to call, `**` is the rest.
        self._groups = [
            (name, re.compile(_pattern(name))) for name in sorted(self._names) if "{" in name or "**" in name
        ]

    def maybe_of(self, method: str, path: str) -> str | None:
        """The endpoint that counts calls of this method and path; None if there is none."""
        name = f"{method}:{path or '/'}"
        if name in self._names:
            return name
        return next((group for group, pattern in self._groups if pattern.fullmatch(name)), None)


def _pattern(name: str) -> str:
    parts = re.split(r"(\{[^{}/]*\}|\*\*)", name)
    return "".join(
        {"{": "[^/]*", "*": ".*"}.get(part[:1], re.escape(part)) if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )


def services(store: Store, from_ns: int, to_ns: int) -> Services:
    """Figures of all services in a span of time."""
    found, span, watched_s = store.services(from_ns, to_ns)
    told = Metrics(store).services(span.first_s, span.end_s)
    listed = [
        ServiceFigures(name=name, retransmit_rate=_retransmit_rate(told.get(name)), **_figures(summary, watched_s))
        for name, summary in _worst_first(found)
    ]
    return Services(listed, _span(span, watched_s))


def endpoints(store: Store, service: str, from_ns: int, to_ns: int) -> Endpoints:
    """Figures of all endpoints of a service in a span of time."""
    found, span, watched_s = store.endpoints(service, from_ns, to_ns)
    told = Endpointed(Metrics(store).endpoints(service, span.first_s, span.end_s))
    listed = [
        EndpointFigures(
            method=method or None,
            path=(path or None) if not is_other else None,
            endpoint=None if is_other else told.maybe_of(method, path),
            is_other=is_other,
            **_figures(summary, watched_s),
        )
        for (method, path), summary in _worst_first(found)
        for is_other in [not method and path == OTHER]
    ]
    return Endpoints(listed, _span(span, watched_s))


def _retransmit_rate(told: Told | None) -> float | None:
    return told["write_retransmits"] / told["write_packets"] if told is not None and told["write_packets"] else None


def _worst_first(found: dict[K, Summary]) -> list[tuple[K, Summary]]:
    return sorted(found.items(), key=lambda item: (-item[1].figures.failures, -item[1].figures.calls, str(item[0])))


def _figures(summary: Summary, watched_s: float) -> dict[str, Any]:
    figures = summary.figures
    p50_ns, p95_ns, p99_ns = histogram.percentiles(figures.durations, (0.5, 0.95, 0.99))
    return {
        "calls": figures.calls,
        "calls_per_minute": round(figures.calls * 60 / watched_s, 3),
        "success_rate": (figures.calls - figures.failures) / figures.calls if figures.calls else None,
        "p50_ns": p50_ns,
        "p95_ns": p95_ns,
        "p99_ns": p99_ns,
        "bytes_per_second": round(figures.bytes / watched_s, 3),
        "spark": summary.spark,
    }


def _span(span: Span, watched_s: float) -> TimeSpan:
    return TimeSpan(span.first_s * 10**9, span.end_s * 10**9, round(watched_s, 3), span.bar_s)
