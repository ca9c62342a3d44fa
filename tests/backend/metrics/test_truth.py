"""Metric truth: every metric of messages that came over the wire, by entity and minute, equals a slow computation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from rover._engine import Ingest
from rover.backend import BackendOptions, Store, open_store
from rover.backend.metrics import METRICS, Entity, Metrics
from rover.backend.pump import Pump
from tests.backend.metrics import oracle, traffic
from tests.wire import messages

VECTORS = Path(__file__).parents[2] / "wire" / "vectors"
SCOPES = {
    "service": "Service",
    "instance": "ServiceInstance",
    "endpoint": "Endpoint",
    "service_relation": "ServiceRelation",
    "service_instance_relation": "ServiceInstanceRelation",
}
Key = tuple[str, ...]


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Store]:
    """A store that keeps minutes for a year."""
    opened = open_store(BackendOptions(store_path=tmp_path / "rover.db", retention_hours=24 * 365))
    yield opened
    opened.close()


def send(store: Store, streams: Iterable[Iterable[Any]]) -> None:
    """Over gRPC into the store; returns when all was answered, that is stored."""
    ingest = Ingest("127.0.0.1:0", json.dumps({"hold_answers": True}))
    port = ingest.start()
    pump = Pump(ingest, store, stores_first=True)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            collect = channel.stream_unary(f"/{messages.PACKAGE}.EBPFAccessLogService/collect")
            for stream in streams:
                collect((message.SerializeToString() for message in stream), timeout=300)
    finally:
        ingest.stop()
        pump.stop()
        pump.join(10)


def entity_of(key: Key) -> tuple[str, Entity]:
    """Scope and entity of a key of the oracle."""
    match key:
        case ("service", service):
            return "service", Entity(service)
        case ("instance", service, name):
            return "instance", Entity(service, instance=name)
        case ("endpoint", service, name):
            return "endpoint", Entity(service, endpoint=name)
        case (_, source, target):
            return "service_relation", Entity(source, peer_service=target)
        case (_, source, pod, target, peer_pod):
            return "service_instance_relation", Entity(source, pod, None, target, peer_pod)
    raise AssertionError(key)


def is_equal(found: Any, expected: Any) -> bool:
    """Integer for integer, percentiles within 1 % (and the 0.5 ns that 1 ns is rounded by)."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return False
        return all(abs(found[p] - expected[p]) <= expected[p] * 0.0101 + 0.001 for p in expected)
    return bool(found == expected)


def compare(metrics: Metrics, known: oracle.Oracle) -> int:
    """Compare all there is; returns how many values that was. Raises AssertionError with the first that differs."""
    by_entity: dict[tuple[str, Entity], dict[int, dict[str, oracle.Happened]]] = {}
    for (minute, key), happened in known.happened.items():
        by_entity.setdefault(entity_of(key), {}).setdefault(minute, {})[key[0]] = happened
    minutes = [minute for minute, _ in known.happened]
    first, end = min(minutes), max(minutes) + 60
    compared = 0
    for (scope, entity), by_minute in by_entity.items():
        formulas = oracle.formulas(scope)
        assert formulas.keys() == {name for name, metric in METRICS.items() if metric.scope == SCOPES[scope]}
        history = {start: views for start, *views in metrics.history(entity, first, end, 60)}
        assert history.keys() == by_minute.keys(), entity
        for minute, views in by_minute.items():
            for name, (side, formula) in formulas.items():
                expected = formula(view_of(views, side))
                figures = METRICS[name].view(*history[minute])
                found = None if figures is None else METRICS[name].value(figures, 60)
                assert is_equal(found, expected), (name, entity, minute, found, expected)
                compared += expected is not None
    return compared


def view_of(views: dict[str, oracle.Happened], side: str) -> oracle.Happened:
    """What one side, both, or the entity itself tells."""
    if side in ("client", "server"):
        return views.get(side, oracle.Happened())
    both = oracle.Happened()
    for view in views.values():
        for name, told in vars(view).items():
            getattr(both, name).extend(told)
    return both


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_every_metric_equals_a_slow_computation(wide: Store, count: int) -> None:
    """Of generated messages in two streams, late and in no order, half of them in a store that was rolled up since."""
    known = oracle.Oracle()
    halves = [list(traffic.stream(count // 2, seed)) for seed in (1, 2)]
    for message in [*halves[0], *halves[1]]:
        known.read(message)
    for half in halves:
        send(wide, [half])
        wait_rolled(wide)
    compared = compare(Metrics(wide), known)
    assert compared > 10_000
    check_hours(Metrics(wide), known)


def wait_rolled(store: Store) -> None:
    """Minutes are part of their hours: what comes now comes late."""
    deadline = time.monotonic() + 60
    sql = "SELECT until_s FROM rolled WHERE step_s = 60"
    while True:
        found = store.ask(lambda connection: connection.execute(sql).fetchone())
        if found and found[0] >= traffic.START_S + 60 * traffic.MINUTES:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def check_hours(metrics: Metrics, known: oracle.Oracle) -> None:
    """An hour and a day have what their minutes have, late ones included."""
    first = traffic.START_S // 86400 * 86400
    for step_s in (3600, 86400):
        for service in traffic.SERVICES:
            history = metrics.history(Entity(service), first, first + 2 * 86400, step_s)
            calls = sum(
                len(happened.calls) for (_, key), happened in known.happened.items() if key == ("service", service)
            )
            assert sum(figures.calls for _, figures, _ in history if figures) == calls


def captured() -> list[Any]:
    """A whole stream of the reference agent, moved to times of today."""
    data, found = (VECTORS / "20-whole-stream.lp").read_bytes(), []
    while data:
        length = int.from_bytes(data[:4], "little")
        found.append(messages.read("AccessLog", data[4 : 4 + length]))
        data = data[4 + length :]
    shift = found[0].connection
    return [_named(message, shift) for message in found]


def _named(message: Any, connection: Any) -> Any:
    # The oracle reads messages one by one; on the wire the connection comes with the first alone.
    if not message.HasField("connection"):
        message.connection.CopyFrom(connection)
    return message


def test_what_the_reference_agent_sends_has_the_right_metrics(wide: Store) -> None:
    """A captured stream: service and endpoints by name, its client by address, and all metrics."""
    stream = captured()
    known = oracle.Oracle()
    for message in stream:
        known.read(message)
    send(wide, [stream])
    metrics = Metrics(wide)
    assert compare(metrics, known) > 100
    minute = min(minute for minute, _ in known.happened)
    span = minute, minute + 120
    (service,) = metrics.services(*span)
    assert (service, metrics.services(*span)[service].calls) == ("web.demo", 20)
    (call,) = metrics.topology(*span).calls
    assert (call.source.is_real, call.target.service, call.detect_points) == (False, "web.demo", ["SERVER"])
