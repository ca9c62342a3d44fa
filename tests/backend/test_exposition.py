"""`/metrics` of the backend, read by Prometheus' own parser."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rover.backend import Store
from rover.backend.api import exposition
from rover.backend.store import histogram
from rover.backend.store.metrics.entities import BOUNDS
from rover.backend.store.metrics.kinds import Kind
from tests.backend.rows import row

MINUTE_NS = 60 * 10**9

Samples = dict[tuple[str, ...], float]


def samples(client: httpx.Client) -> Samples:
    """Values by name and labels, in the order of the labels' names."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture
def minute_ns(monkeypatch: pytest.MonkeyPatch) -> int:
    """The minute that is told: the last whole one, held still while a test runs."""
    now_s = int(time.time())
    told_s = (now_s - exposition.SETTLED_S) // 60 * 60 - 60

    class Clock:
        perf_counter = staticmethod(time.perf_counter)

        @staticmethod
        def time() -> float:
            return float(now_s)

    monkeypatch.setattr(exposition, "time", Clock)
    return told_s * 10**9


def test_services_have_rate_errors_and_durations_of_the_last_minute(
    client: httpx.Client, put: Callable[..., None], minute_ns: int
) -> None:
    """Not of the one before, nor of the one that is not over; a service that is not called has none."""
    calls = [
        row(minute_ns + n * 10**8, n, duration_ns=(n + 1) * 10**6, status=503 if n < 3 else 200) for n in range(100)
    ]
    put(
        *calls,
        row(minute_ns - 1, 500),
        row(minute_ns + MINUTE_NS, 501),
        row(minute_ns, 502, service="cron", side="client"),
    )
    found = samples(client)
    assert found["rover_service_calls_per_minute", "cart"] == 100
    assert found["rover_service_failures_per_minute", "cart"] == 3
    for quantile, ms in (("0.5", 50), ("0.95", 95), ("0.99", 99)):
        seconds = found["rover_service_duration_seconds", quantile, "cart"]
        assert seconds == pytest.approx(ms / 1000, rel=histogram.RELATIVE_ERROR + 1e-9)
    assert ("rover_service_calls_per_minute", "cron") not in found


def test_only_so_many_services_have_a_name(
    client: httpx.Client, put: Callable[..., None], minute_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are called most; none of the others' calls is lost. Any name is a label, not markup."""
    monkeypatch.setattr(exposition, "SERVICES", 2)
    name = 'a"\\\n{} 1'
    made = [(name, 5), ("b", 4), ("c", 3), ("d", 2)]
    put(
        *(
            row(minute_ns, at * 10 + n, service=service)
            for at, (service, calls) in enumerate(made)
            for n in range(calls)
        )
    )
    found = {key[1]: value for key, value in samples(client).items() if key[0] == "rover_service_calls_per_minute"}
    assert found == {name: 5, "b": 4, "other": 5}


def test_what_was_asked_is_counted_by_operation_and_status(client: httpx.Client, store: Store) -> None:
    """With the duration; what has no operation is not, so that no client can make labels."""
    for path in ("/api/services", "/api/services?x=1", "/api/nothing", "/etc/passwd", "/api/exchanges/" + "0" * 32):
        client.get(path)
    client.post("/graphql", json={"query": "{ version }"})
    client.post("/api/services")
    client.get("/api/services", headers={"Host": "evil.example"})
    found = samples(client)
    asked = {key[1:]: value for key, value in found.items() if key[0] == "rover_api_requests_total"}
    assert asked == {
        ("services", "200"): 1,
        ("services", "400"): 1,
        ("exchange", "404"): 1,
        ("graphql", "200"): 1,
    }
    assert found["rover_api_request_duration_seconds_count", "services"] == 2
    assert found["rover_api_request_duration_seconds_bucket", "+Inf", "services"] == 2
    assert 0 < found["rover_api_request_duration_seconds_sum", "services"] < 5
    assert found["rover_api_refused_requests_total", "method_not_allowed"] == 1
    assert found["rover_api_refused_requests_total", "wrong_host"] == 1
    assert samples(client)["rover_api_requests_total", "metrics", "200"] == 1


def test_the_store_tells_what_it_has_and_what_it_lost(
    client: httpx.Client, store: Store, put: Callable[..., None]
) -> None:
    """A row that does not fit the contract is lost for a cause."""
    bad: Any = (*row(time.time_ns(), 9)[:17], "two\nlines")
    now_ns = time.time_ns()
    many = [row(now_ns, n, instance=f"cart-{n}") for n in range(10, BOUNDS[Kind.INSTANCE] + 13)]
    put(row(now_ns, 1), row(now_ns, 2), bad)
    found = samples(client)
    assert found["rover_store_overflowed_figures_total",] == 0
    assert found["rover_store_records_total",] == 2
    assert found["rover_store_lost_records_total", "malformed"] == 1
    assert found["rover_store_used_bytes",] == store.facts().used_bytes > 0
    assert found["rover_store_retention_bytes",] == 1 << 30
    assert found["rover_store_queued_records",] == 0
    assert found["rover_backend_process_resident_memory_bytes",] > 1 << 20
    put(*many)
    assert samples(client)["rover_store_overflowed_figures_total",] == store.facts().overflowed > 0
