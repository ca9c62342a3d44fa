"""Services and endpoints as the figures that people read."""

from __future__ import annotations

from typing import Any

from rover.backend.api.shapes import EndpointFigures, Endpoints, ServiceFigures, Services, TimeSpan
from rover.backend.metrics import OTHER, Figures, Metrics, Span, Sparked
from rover.backend.store import Store
from rover.backend.store.metrics.kinds import Kind

UNLISTED = "UNRECOGNIZED"
"""OAP's word for a method that is none."""


def services(store: Store, from_ns: int, to_ns: int) -> Services:
    """Figures of all services that were called in a span of time."""
    metrics = Metrics(store)
    span = metrics.span(from_ns, to_ns)
    listed = [
        ServiceFigures(
            name=name, retransmit_rate=_retransmit_rate(told.figures), **_figures(told.figures, told.spark, span)
        )
        for name, told in _worst_first(metrics.sparked(Kind.SERVICE, span))
    ]
    return Services(listed, time_span(span))


def endpoints(store: Store, service: str, from_ns: int, to_ns: int) -> Endpoints:
    """Figures of all endpoints of a service in a span of time."""
    metrics = Metrics(store)
    span = metrics.span(from_ns, to_ns)
    found = _worst_first(metrics.sparked(Kind.ENDPOINT, span, service))
    return Endpoints([_endpoint(name, told, span) for name, told in found], time_span(span))


def time_span(span: Span) -> TimeSpan:
    """A span as answers tell it."""
    return TimeSpan(span.first_s * 10**9, span.end_s * 10**9, round(span.watched_s, 3), span.bar_s)


def _endpoint(name: str, told: Sparked, span: Span) -> EndpointFigures:
    is_other = name == OTHER
    method, _, path = name.partition(":")
    return EndpointFigures(
        method=None if is_other or method == UNLISTED else method,
        path=None if is_other else path,
        endpoint=name,
        is_other=is_other,
        **_figures(told.figures, told.spark, span),
    )


def _retransmit_rate(figures: Figures) -> float | None:
    return figures["write_retransmits"] / figures["write_packets"] if figures["write_packets"] else None


def _worst_first(found: dict[str, Sparked]) -> list[tuple[str, Sparked]]:
    """Without those that were not called: a service that only calls others serves nobody."""
    called = [item for item in found.items() if item[1].figures.calls]
    return sorted(called, key=lambda item: (-item[1].figures.failures, -item[1].figures.calls, item[0]))


def _figures(figures: Figures, spark: list[int], span: Span) -> dict[str, Any]:
    p50_ns, p95_ns, p99_ns = figures.percentiles_ns((0.5, 0.95, 0.99))
    return {
        "calls": figures.calls,
        "calls_per_minute": round(figures.calls * 60 / span.watched_s, 3),
        "success_rate": figures["http_successes"] / figures.calls,
        "p50_ns": p50_ns,
        "p95_ns": p95_ns,
        "p99_ns": p99_ns,
        "bytes_per_second": round(figures["http_bytes"] / span.watched_s, 3),
        "spark": spark,
    }
