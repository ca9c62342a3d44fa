"""What the backend tells Prometheus: `/metrics` beside the page.

Labels are bounded: operations and causes are tables; of services the SERVICES that are called most have a name, all
others are `other`. Rate, errors and durations of services are those of the last whole minute, out of the store: they
are there after a restart, and nothing is counted a second time for them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rover.backend.api.errors import RequestError
from rover.backend.metrics import Figures, Metrics, total
from rover.backend.options import BackendOptions
from rover.backend.store import Store
from rover.backend.store.metrics.kinds import MINUTE_S

SERVICES = 64
"""Services with a name of their own; as many as a daemon names."""
SETTLED_S = 10
"""A minute that is over for so long is told: by then its last exchanges are stored."""
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper ends of the buckets of a question's duration; a query is given up after 3 s."""
QUANTILES = (0.5, 0.95, 0.99)

Handler = Callable[[Request], Awaitable[Response]]

_INGEST_COUNTERS = (
    ("streams", "rover_ingest_streams", "Streams of reports begun."),
    ("broken_streams", "rover_ingest_broken_streams", "Streams that ended before they were complete."),
    ("messages", "rover_ingest_messages", "Messages taken."),
    ("rows", "rover_ingest_rows", "Messages that became records."),
    ("invalid_records", "rover_ingest_invalid_records", "Records of rover's own form that are none."),
    ("unattributed", "rover_ingest_unattributed", "Messages before any connection was told."),
    ("denied", "rover_ingest_denied", "Calls without the right token."),
    ("limited_connections", "rover_ingest_limited_connections", "Connections closed: their peer opens too many."),
    ("limited_calls", "rover_ingest_limited_calls", "Calls refused: their peer calls too often."),
)
_INGEST_GAUGES = (
    ("open_streams", "rover_ingest_open_streams", "Streams of reports that are open."),
    ("waiting_rows", "rover_ingest_waiting_rows", "Records that wait to be stored."),
)


class Requests:
    """Counts what is asked and how long answers take. Belongs to the event loop."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        """By operation and status."""
        self.buckets: dict[str, list[int]] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def counted(self, name: str, handler: Handler) -> Handler:
        """The same handler; a stream counts until it begins."""

        async def handle(request: Request) -> Response:
            began, status = time.perf_counter(), 500
            try:
                answer = await handler(request)
                status = answer.status_code
            except RequestError as error:
                status = error.status
                raise
            else:
                return answer
            finally:
                self._add(name, status, time.perf_counter() - began)

        return handle

    def _add(self, name: str, status: int, seconds: float) -> None:
        self.counts[name, status] += 1
        buckets = self.buckets.setdefault(name, [0] * (len(BOUNDS_S) + 1))
        buckets[next((at for at, bound in enumerate(BOUNDS_S) if seconds <= bound), len(BOUNDS_S))] += 1
        self.seconds[name] += seconds


class Exposition:
    """The text that Prometheus reads."""

    def __init__(
        self,
        options: BackendOptions,
        store: Store,
        facts: Callable[[], Mapping[str, Any]],
        requests: Requests,
        refused: Mapping[str, int],
        clients: Callable[[], int],
    ) -> None:
        """`refused`: by cause; `clients`: how many follow the live tail."""
        self._options = options
        self._store = store
        self._facts = facts
        self._requests = requests
        self._refused = refused
        self._clients = clients

    def text(self) -> bytes:
        """All of it as of now. Raises TimeoutError and OSError as a query of the store does."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        minute_s = (int(time.time()) - SETTLED_S) // MINUTE_S * MINUTE_S - MINUTE_S
        services = Metrics(self._store).services(minute_s, minute_s + MINUTE_S)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected([*self._store_state(), *self._api(), *self._ingest(), *_red(services)]))
        ProcessCollector(namespace="rover_backend", registry=registry)
        return generate_latest(registry)

    def _store_state(self) -> Iterator[Any]:
        facts = self._store.facts()
        yield _counter("rover_store_records", "Records stored.", {(): facts.stored})
        yield _counter("rover_store_lost_records", "Records not stored, by cause.", _by(facts.lost), ["cause"])
        text = "Records stored while more came than configured, by why."
        yield _counter("rover_store_kept_records", text, _by(facts.kept), ["reason"])
        text = "Records that metrics are of and that are not stored, by cause."
        yield _counter("rover_store_left_out_records", text, _by(facts.left_out), ["cause"])
        text = "Figures that went to (other), for a bound on names was reached."
        yield _counter("rover_store_overflowed_figures", text, {(): facts.overflowed})
        yield _gauge("rover_store_queued_records", "Records that wait for the writer.", {(): facts.queued})
        yield _gauge("rover_store_used_bytes", "Size of what is stored.", {(): facts.used_bytes})
        most_bytes = self._options.retention_bytes
        yield _gauge("rover_store_retention_bytes", "Size above which the oldest go.", {(): most_bytes})

    def _api(self) -> Iterator[Any]:
        from prometheus_client.core import HistogramMetricFamily

        asked = {(name, str(status)): count for (name, status), count in self._requests.counts.items()}
        yield _counter("rover_api_requests", "Questions answered, by status.", asked, ["operation", "status"])
        durations = HistogramMetricFamily(
            "rover_api_request_duration_seconds", "From a question to its answer.", labels=["operation"]
        )
        for name, buckets in list(self._requests.buckets.items()):
            ends = [*map(str, BOUNDS_S), "+Inf"]
            sums = [sum(buckets[: at + 1]) for at in range(len(buckets))]
            durations.add_metric([name], list(zip(ends, sums, strict=True)), self._requests.seconds[name])
        yield durations
        yield _counter("rover_api_refused_requests", "Requests refused, by cause.", _by(self._refused), ["cause"])
        yield _gauge("rover_api_live_clients", "Clients that follow the live list.", {(): self._clients()})

    def _ingest(self) -> Iterator[Any]:
        told = self._facts().get("ingest") or {}
        for key, name, text in _INGEST_COUNTERS:
            if key in told:
                yield _counter(name, text, {(): told[key]})
        for key, name, text in _INGEST_GAUGES:
            if key in told:
                yield _gauge(name, text, {(): told[key]})


class _Collected:
    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        yield from self._families


def _red(services: Mapping[str, Figures]) -> Iterator[Any]:
    ordered = sorted(services.items(), key=lambda item: (-item[1].calls, item[0]))
    named = {(name,): figures for name, figures in ordered[:SERVICES] if figures.calls}
    if rest := [figures for _, figures in ordered[SERVICES:] if figures.calls]:
        named["other",] = total(rest)
    last = "in the last whole minute"
    calls = {label: figures.calls for label, figures in named.items()}
    yield _gauge("rover_service_calls_per_minute", f"Calls served {last}.", calls, ["service"])
    failures = {label: figures.failures for label, figures in named.items()}
    yield _gauge("rover_service_failures_per_minute", f"Of these the failed ones {last}.", failures, ["service"])
    durations = {
        (*label, str(quantile)): ns * 1e-9
        for label, figures in named.items()
        for quantile, ns in zip(QUANTILES, figures.percentiles_ns(QUANTILES), strict=True)
        if ns is not None
    }
    text = f"Durations of calls {last}, off by 1 % at most."
    yield _gauge("rover_service_duration_seconds", text, durations, ["service", "quantile"])


def _by(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(cause,): count for cause, count in list(counts.items())}


def _counter(name: str, text: str, values: Mapping[Any, float], labels: list[str] | None = None) -> Any:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, text, labels=labels or []), values)


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: list[str] | None = None) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, text, labels=labels or []), values)


def _filled(family: Any, values: Mapping[Any, float]) -> Any:
    for label, value in values.items():
        family.add_metric(label, float(value))
    return family
