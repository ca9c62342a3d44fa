"""What connections do besides exchanges counts for metrics, once."""

from __future__ import annotations

import json
import time
from typing import Any

from rover.backend import Row, Store
from rover.backend.metrics import Entity, Metrics

START_S = int(time.time()) // 60 * 60 - 120
SPAN = (START_S, START_S + 60)


def activity(row_id: str = "", **members: Any) -> Row:
    """A row as the native side makes it."""
    time_ns = START_S * 10**9 + 5
    told: dict[str, Any] = {"kind": "activity", "id": row_id, "time_ns": time_ns, "side": "client", "protocol": None}
    told |= {"tls": None, "local": end("cart", "10.0.0.1"), "remote": end(None, "10.0.0.2"), "kernel": {}} | members
    empty = (None,) * 5
    return (row_id, time_ns, None, None, "client", "", "activity", *empty, None, None, None, None, "", json.dumps(told))  # type: ignore[return-value]


def end(service: str | None, address: str) -> dict[str, Any]:
    """One end of a connection."""
    return {"address": address, "port": 1, "identity": service and {"service": service, "instance": f"{service}-1"}}


def row_id(number: int) -> str:
    """As an agent of rover's gives it."""
    return f"{START_S * 10**9:016x}{7:08x}{number:08x}"


WRITES = {"operations": 3, "bytes": 300, "packets": 4, "l4_ns": 30}
CONNECT = {"count": 1, "successes": 1, "ns": 5000}


def test_connections_and_traffic_without_http_are_told(store: Store) -> None:
    """No call, no exchange; a relation to the address."""
    store.put([activity(connect=CONNECT), activity(kernel={"write": WRITES}), activity(close={"count": 1, "ns": 7})])
    assert store.flush()
    metrics = Metrics(store)
    cart = metrics.services(*SPAN)["cart"]
    assert (cart["connects"], cart["closes"], cart["writes"], cart["write_bytes"]) == (1, 1, 3, 300)
    assert (cart.calls, cart.average("write_l4_ns"), cart.average("write_l3_ns")) == (0, 10, None)
    assert store.facts().stored == 0
    (call,) = metrics.topology(*SPAN).calls
    assert (call.target.service, call.target.is_real, call.server) == ("10.0.0.2", False, None)
    assert call.seen.components() == ["tcp"]
    series = metrics.series("kubernetes_service_connect_time", Entity("cart"), *SPAN, 60)
    assert series == [5000]


def test_a_second_delivery_counts_once(store: Store) -> None:
    """In one batch, and in a later one; those without an id cannot come twice."""
    store.put([activity(row_id(1), connect=CONNECT), activity(row_id(1), connect=CONNECT)])
    store.put([activity(connect=CONNECT)])
    assert store.flush()
    store.put([activity(row_id(1), connect=CONNECT), activity(row_id(2), connect=CONNECT)])
    store.put([activity(connect=CONNECT)])
    assert store.flush()
    assert Metrics(store).services(*SPAN)["cart"]["connects"] == 4
