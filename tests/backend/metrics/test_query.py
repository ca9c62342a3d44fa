"""Metrics of a real store, asked as pages ask."""

from __future__ import annotations

import time

import pytest

from rover.backend import Store
from rover.backend.metrics import METRICS, Call, Entity, Metrics, Node
from tests.backend.rows import record, row, row_of

MINUTE_S = 60
NOW_S = int(time.time()) // MINUTE_S * MINUTE_S
START_S = NOW_S - 10 * MINUTE_S
SPAN = (START_S, NOW_S)


@pytest.fixture
def metrics(store: Store) -> Metrics:
    """Three minutes of a client and a server that both tell of it, and a peer that has no name."""
    rows = []
    for number in range(30):
        time_ns = (START_S + number // 10 * MINUTE_S) * 10**9 + number
        status = 503 if number % 10 == 9 else 200
        path = f"/api/items/{number}"
        rows.append(row(time_ns, number, path=path, status=status))
        told = record(time_ns, 100 + number, path=path, status=status, side="client", service="frontend")
        told["local"], told["remote"] = rows_of_ends(told)
        rows.append(row_of(told))
    nameless = record(START_S * 10**9, 500, peer_service=None)
    nameless["remote"] = {"address": "192.0.2.7", "port": 4000, "identity": None}
    rows.append(row_of(nameless))
    store.put(rows)
    assert store.flush()
    return Metrics(store)


def rows_of_ends(told: dict[str, object]) -> tuple[object, object]:
    """Ends as the client has them."""
    cart = {"address": "127.0.0.1", "port": 8080, "identity": {"service": "cart", "instance": "cart-1"}}
    return {"address": "127.0.0.1", "port": 4, "identity": {"service": "frontend", "instance": "frontend-1"}}, cart


def test_services_have_the_calls_they_serve(metrics: Metrics) -> None:
    """What a client tells of its calls is the relation's, not its own."""
    services = metrics.services(*SPAN)
    assert (services["cart"].calls, services["cart"].failures) == (31, 3)
    assert services["frontend"].calls == 0
    assert services["frontend"]["writes"] == 30 * record(1)["kernel"]["write"]["operations"]


def test_instances_and_endpoints_belong_to_their_service(metrics: Metrics) -> None:
    """Paths that differ by a number are one endpoint."""
    assert {name: found.calls for name, found in metrics.instances("cart", *SPAN).items()} == {"cart-1": 31}
    endpoints = metrics.endpoints("cart", *SPAN)
    assert {name: found.calls for name, found in endpoints.items()} == {"GET:/api/items/{id}": 30, "GET:/api/items": 1}
    assert metrics.endpoints("nobody", *SPAN) == {}


def test_a_call_has_the_view_of_each_end(metrics: Metrics) -> None:
    """The two are not added up."""
    topology = metrics.topology(*SPAN)
    by_source = {call.source.service: call for call in topology.calls}
    call = by_source["frontend"]
    assert call.client is not None
    assert call.server is not None
    assert (call.client.calls, call.server.calls, call.detect_points) == (30, 30, ["CLIENT", "SERVER"])
    nameless: Call = by_source["192.0.2.7"]
    assert (nameless.source.is_real, nameless.client, nameless.target) == (False, None, Node("cart"))
    pods = metrics.instance_topology("frontend", "cart", *SPAN)
    assert [(call.source.instance, call.target.instance) for call in pods.calls] == [("frontend-1", "cart-1")]


def test_a_series_has_a_value_for_each_step(metrics: Metrics) -> None:
    """None where nothing happened."""
    name = "kubernetes_service_http_call_cpm"
    assert metrics.series(name, Entity("cart"), START_S, START_S + 240, 60) == [11, 10, 10, None]
    assert metrics.series(name, Entity("nobody"), START_S, START_S + 60, 60) == [None]
    relation = Entity("frontend", peer_service="cart")
    for side in ("client", "server"):
        name = f"kubernetes_service_relation_{side}_http_status_5xx_cpm"
        assert metrics.series(name, relation, START_S, START_S + 120, 60) == [1, 1]
    with pytest.raises(KeyError):
        metrics.series("no_such_metric", Entity("cart"), *SPAN, 60)


def test_top_orders_by_value(metrics: Metrics) -> None:
    """Of all services, or of one."""
    top = metrics.top("kubernetes_service_endpoint_http_call_cpm", 1, *SPAN, service="cart")
    assert [(line.entity.endpoint, line.value) for line in top] == [("GET:/api/items/{id}", 3)]


def test_there_are_as_many_metrics_as_oap_has() -> None:
    """The names of OAP 10.2: 50 of services, 50 of instances, 15 of endpoints, 92 and 89 of relations."""
    assert len(METRICS) == 50 + 50 + 15 + 92 + 89
