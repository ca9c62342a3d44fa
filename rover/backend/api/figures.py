"""Sums of the store as the figures that people read."""

from __future__ import annotations

from typing import Any, TypeVar

from rover.backend.api.shapes import EndpointFigures, Endpoints, ServiceFigures, Services, TimeSpan
from rover.backend.store import OTHER, Store, Summary, histogram
from rover.backend.store.query import Span

K = TypeVar("K")


def services(store: Store, from_ns: int, to_ns: int) -> Services:
    """Figures of all services in a span of time."""
    found, span, watched_s = store.services(from_ns, to_ns)
    return Services(
        [ServiceFigures(name=name, **_figures(summary, watched_s)) for name, summary in _worst_first(found)],
        _span(span, watched_s),
    )


def endpoints(store: Store, service: str, from_ns: int, to_ns: int) -> Endpoints:
    """Figures of all endpoints of a service in a span of time."""
    found, span, watched_s = store.endpoints(service, from_ns, to_ns)
    listed = [
        EndpointFigures(
            method=method or None,
            path=(path or None) if not is_other else None,
            is_other=is_other,
            **_figures(summary, watched_s),
        )
        for (method, path), summary in _worst_first(found)
        for is_other in [not method and path == OTHER]
    ]
    return Endpoints(listed, _span(span, watched_s))


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
