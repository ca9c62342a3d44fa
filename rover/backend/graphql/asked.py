"""What one request has asked of the store so far. Many expressions of a request are about the same entity."""

from __future__ import annotations

import time

from rover.backend.graphql.duration import Span
from rover.backend.metrics import Entity, Figures, Metric, Metrics, Ranked, Topology
from rover.backend.metrics.catalogue import Value

REQUEST_S = 10.0
"""A request that asks for longer is given up."""

History = list[tuple[int, Figures | None, Figures | None]]


class Asked:
    """Answers of the store, each asked for once; belongs to one request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._deadline = time.monotonic() + REQUEST_S
        self._histories: dict[tuple[Entity, Span], History] = {}
        self._topologies: dict[Span, Topology] = {}

    def series(self, metric: Metric, entity: Entity, span: Span) -> list[Value | None]:
        """Values of a metric for each step; None where nothing happened."""
        history = self._histories.get((entity, span))
        if history is None:
            asked = self.metrics.history(entity, span.start_s, span.end_s, span.step_s)
            history = self._histories[entity, span] = asked
        by_start = {start: metric.view(client, server) for start, client, server in history}
        found = [by_start.get(start) for start in span.points]
        return [None if figures is None else metric.value(figures, span.step_s) for figures in found]

    def top(self, metric: Metric, most: int, is_ascending: bool, span: Span) -> list[Ranked]:
        """The greatest, or least, values of a metric. Raises ValueError: it has no order."""
        return self.metrics.top(metric.name, most, span.start_s, span.end_s, ascending=is_ascending)

    def topology(self, span: Span) -> Topology:
        """Who talked to whom."""
        if span not in self._topologies:
            self._topologies[span] = self.metrics.topology(span.start_s, span.end_s)
        return self._topologies[span]

    @property
    def metrics(self) -> Metrics:
        """The store's metrics. Raises TimeoutError once the request's time is up."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"the request took longer than {REQUEST_S:g} s")
        return self._metrics
