"""The map and the charts: each figure checked against what was put in."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from rover.backend import Row, Store
from rover.backend.api.traffic import traffic as traffic_of
from rover.backend.api.traffic_shapes import Instances, Series, Topology, Traffic
from rover.backend.metrics import Metrics
from tests.backend.rows import row, traffic

MS = 1_000_000
CLIENT = {"side": "client", "service": "frontend", "instance": "frontend-1", "peer_service": "cart"}
KERNEL = {
    "write": {"operations": 2, "bytes": 900, "syscall_ns": 50_000, "packets": 4, "retransmits": 1, "l4_ns": 30_000}
    | {"l3_ns": 20_000, "l2_ns": 8_000, "l2_send_ns": 3_000, "netfilter_count": 1, "netfilter_ns": 2_000},
    "read": {"operations": 1, "bytes": 100, "syscall_ns": 5_000, "packets": 1, "l2_to_queue_ns": 700},
}


@pytest.fixture
def start_ns() -> int:
    """The beginning of this minute: all that is put within milliseconds of it is of one bar."""
    return time.time_ns() // (60 * 10**9) * 60 * 10**9


@pytest.fixture
def both_ends(put: Callable[..., None], start_ns: int) -> int:
    """Four calls from `frontend` to `cart`, seen by both, one failed; and one to an address outside."""
    rows: list[Row] = []
    for at in range(4):
        status = 503 if at == 0 else 200
        rows.append(row(start_ns + at, 2 * at, status=status, duration_ns=10 * MS, kernel=KERNEL))
        rows.append(row(start_ns + at, 2 * at + 1, status=status, duration_ns=14 * MS, **CLIENT))
    away = {"address": "93.184.216.34", "port": 443, "identity": None}
    rows.append(row(start_ns, 90, **{**CLIENT, "peer_service": None}, remote=away, tls={"library": "openssl"}))
    put(*rows)
    return start_ns


def _get(client: httpx.Client, path: str, start_ns: int, **more: str) -> Any:
    answer = client.get(path, params={"from": str(start_ns), "to": str(start_ns + 60 * 10**9), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_edge_has_both_views_and_what_lies_between(client: httpx.Client, both_ends: int) -> None:
    """The mean of the client less that of the server."""
    found = _get(client, "/api/topology", both_ends)
    edge = next(edge for edge in found["edges"] if edge["target"] == "cart")
    assert edge["source"] == "frontend"
    assert (edge["is_http"], edge["is_tls"]) == (True, False)
    assert (edge["client"]["calls"], edge["client"]["success_rate"], edge["client"]["mean_ns"]) == (4, 0.75, 14 * MS)
    assert (edge["server"]["calls"], edge["server"]["success_rate"], edge["server"]["mean_ns"]) == (4, 0.75, 10 * MS)
    assert edge["network_ns"] == 4 * MS
    assert (edge["server"]["sent_packets"], edge["server"]["retransmits"]) == (16, 4)
    assert edge["server"]["p95_ns"] == pytest.approx(10 * MS, rel=0.011)


def test_what_has_no_name_is_its_address_and_told_apart_by_it(client: httpx.Client, both_ends: int) -> None:
    """A public address is external, and one side of the edge is unknown."""
    found = _get(client, "/api/topology", both_ends)
    kinds = {node["id"]: (node["kind"], node["seen"] and node["seen"]["calls"]) for node in found["nodes"]}
    assert kinds == {
        "address:93.184.216.34": ("external", None),
        "cart": ("service", 4),
        "frontend": ("service", None),
    }
    edge = next(edge for edge in found["edges"] if edge["target"] != "cart")
    assert (edge["is_tls"], edge["server"], edge["network_ns"]) == (True, None, None)


def test_the_map_around_a_service_is_its_neighbours(
    client: httpx.Client, both_ends: int, put: Callable[..., None]
) -> None:
    """Nobody else."""
    put(row(both_ends, 200, service="stranger", peer_service="another"))
    found = _get(client, "/api/topology", both_ends, around="cart")
    assert [node["id"] for node in found["nodes"]] == ["cart", "frontend"]
    assert _get(client, "/api/topology", both_ends, around="nobody")["nodes"][0]["seen"] is None


def test_the_map_is_what_its_figures_say(client: httpx.Client, store: Store, put: Callable[..., None]) -> None:
    """It is made natively: every member of it against the figures as Python reads them."""
    start_ns = (time.time_ns() // (60 * 10**9) - 30) * 60 * 10**9
    mixed = list(traffic(3000, start_ns, step_ns=500_000_000))
    seen_at_clients = [
        row(start_ns + at * 10**9, 5000 + at, duration_ns=at * 977_000 + 1, status=200 + at % 4 * 100, **CLIENT)
        for at in range(900)
    ]
    put(*mixed, *seen_at_clients)
    answer = client.get("/api/topology", params={"from": start_ns, "to": start_ns + 30 * 60 * 10**9})
    found = msgspec.json.decode(answer.content, type=Topology, strict=True)
    metrics = Metrics(store)
    span = found.span.from_ns // 10**9, found.span.to_ns // 10**9
    watched_s = found.span.watched_s
    by_ends = {(call.source.service, call.target.service): call for call in metrics.topology(*span).calls}
    assert [(edge.source, edge.target) for edge in found.edges] == sorted(by_ends)
    for edge in found.edges:
        call = by_ends[edge.source, edge.target]
        for told, figures in ((edge.client, call.client), (edge.server, call.server)):
            assert _close(told, None if figures is None else traffic_of(figures, watched_s))
    services = metrics.services(*span)
    for node in found.nodes:
        assert node.seen is None or _close(node.seen, traffic_of(services[node.name], watched_s))
    assert sum(edge.client is not None for edge in found.edges) == 1


def _close(told: Traffic | None, expected: Traffic | None) -> bool:
    """The answer's `watched_s` is rounded, what rates were divided by was not."""
    if told is None or expected is None:
        return told is expected
    rates = told.calls_per_minute, expected.calls_per_minute
    return rates[0] == pytest.approx(rates[1], abs=0.002) and msgspec.structs.replace(
        told, calls_per_minute=0
    ) == msgspec.structs.replace(expected, calls_per_minute=0)


def test_addresses_are_private_as_the_registries_have_it(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """Python's `ipaddress` is the judge, in what all its versions say."""
    addresses = [
        "10.0.0.1",
        "172.16.9.9",
        "172.32.0.1",
        "100.64.0.1",
        "192.0.0.9",
        "198.19.1.1",
        "8.8.8.8",
        "240.0.0.1",
    ]
    addresses += ["fe80::1", "fd12::1", "2001:db8::1", "2001:4860:4860::8888", "::ffff:10.1.1.1", "::1"]
    peers = [{"address": each, "port": 443, "identity": None} for each in addresses]
    put(*(row(start_ns, at, **{**CLIENT, "peer_service": None}, remote=peer) for at, peer in enumerate(peers)))
    kinds = {node["name"]: node["kind"] for node in _get(client, "/api/topology", start_ns)["nodes"]}
    judged = {each: "host" if ipaddress.ip_address(each).is_private else "external" for each in addresses}
    assert {name: kind for name, kind in kinds.items() if name != "frontend"} == judged


@pytest.mark.parametrize(
    ("name", "group"), [("cart.shop", "shop"), ("a.b.c", "c"), ("cart", None), ("cart.", None), (".shop", None)]
)
def test_the_group_is_the_namespace_of_the_name(
    client: httpx.Client, put: Callable[..., None], start_ns: int, name: str, group: str | None
) -> None:
    """As the default templates of names write it."""
    put(row(start_ns, service=name))
    nodes = {node["id"]: node["group"] for node in _get(client, "/api/topology", start_ns)["nodes"]}
    assert nodes[name] == group


def test_a_series_has_each_call_once_in_its_bar(client: httpx.Client, both_ends: int) -> None:
    """By status, by duration, by layer."""
    found = _get(client, "/api/services/cart/series", both_ends)
    bar = next(at for at, calls in enumerate(found["calls"]) if calls)
    assert sum(found["calls"]) == found["calls"][bar] == 4
    assert {name: values[bar] for name, values in found["statuses"].items() if values[bar]} == {"2xx": 3, "5xx": 1}
    bounds, counts = found["heat"]["bounds_ns"], found["heat"]["counts"]
    band = counts[bar].index(4)
    assert bounds[band] <= 10 * MS * 1.01
    assert bounds[band + 1] >= 10 * MS * 0.99
    assert all(len(row_) == len(bounds) - 1 for row_ in counts)
    assert found["retransmits"][bar] == 4
    sending = {layer: values[bar] for layer, values in found["sending"].items()}
    assert sending == {
        "socket": 4 * 20_000,
        "tcp": 4 * 10_000,
        "ip": 4 * 10_000,
        "netfilter": 4 * 2_000,
        "queue": 4 * 5_000,
        "device": 4 * 3_000,
        "wait": None,
    }
    assert (found["receiving"]["queue"][bar], found["receiving"]["tcp"][bar]) == (4 * 700, None)


def test_a_series_of_an_endpoint_has_its_calls_only(
    client: httpx.Client, both_ends: int, put: Callable[..., None]
) -> None:
    """Named as metrics name it."""
    put(row(both_ends, 300, method="POST", path="/pay"))
    assert _get(client, "/api/services/cart/series", both_ends, endpoint="POST:/pay")["whole"]["calls"] == 1
    assert _get(client, "/api/services/cart/series", both_ends, endpoint="GET:/none")["whole"]["calls"] == 0
    assert _get(client, "/api/services/cart/series", both_ends)["whole"]["calls"] == 5


def test_the_list_of_endpoints_names_their_series(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """Paths with ids share one."""
    paths = ["/users/1", "/users/22", "/users", "/a.b", "/axb"]
    put(*(row(start_ns, at, path=path) for at, path in enumerate(paths)))
    found = _get(client, "/api/services/cart/endpoints", start_ns)["endpoints"]
    named = {one["endpoint"]: (one["method"], one["path"], one["calls"]) for one in found}
    assert named == {
        "GET:/users/{id}": ("GET", "/users/{id}", 2),
        "GET:/users": ("GET", "/users", 1),
        "GET:/a.b": ("GET", "/a.b", 1),
        "GET:/axb": ("GET", "/axb", 1),
    }
    assert _get(client, "/api/services/cart/series", start_ns, endpoint="GET:/users/{id}")["whole"]["calls"] == 2


def test_a_service_has_its_share_of_retransmits(client: httpx.Client, both_ends: int) -> None:
    """Of packets sent; unknown where none was counted."""
    listed = _get(client, "/api/services", both_ends)["services"]
    assert {one["name"]: one["retransmit_rate"] for one in listed} == {"cart": 0.25}


def test_instances_have_their_own_figures(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Each of a service, none of others."""
    put(row(start_ns, 1), row(start_ns, 2), row(start_ns, 3, instance="cart-2"), row(start_ns, 4, service="search"))
    found = _get(client, "/api/services/cart/instances", start_ns)["instances"]
    assert [(one["name"], one["seen"]["calls"]) for one in found] == [("cart-1", 2), ("cart-2", 1)]


def test_answers_have_their_shapes(client: httpx.Client, both_ends: int) -> None:
    """Strictly, also where nothing happened."""
    for path, shape in (
        ("/api/topology", Topology),
        ("/api/services/cart/series", Series),
        ("/api/services/nobody/series", Series),
        ("/api/services/cart/instances", Instances),
    ):
        found = _get(client, path, both_ends)
        assert json.loads(msgspec.json.encode(msgspec.convert(found, shape))) == found


@pytest.mark.parametrize("path", ["/api/topology?around=", "/api/topology?x=1", "/api/services/cart/series?endpoint="])
def test_what_is_no_parameter_is_refused(quiet: httpx.Client, path: str) -> None:
    """In one line."""
    assert quiet.get(path).status_code == 400


def test_a_connection_on_which_nothing_was_sent_makes_no_edge_to_an_address(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """What it carries is told later, under the peer's name; one that failed has nothing else to tell of it."""
    activity = {**CLIENT, "peer_service": None, "kind": "activity", "protocol": None, "method": None, "status": None}
    opened = {**activity, "kernel": {}, "duration_ns": None}
    for at, (address, successes) in enumerate((("10.0.0.8", 1), ("10.0.0.9", 0))):
        remote = {"address": address, "port": 9, "identity": None}
        put(row(start_ns, at, **opened, remote=remote, connect={"count": 1, "successes": successes, "ns": 9}))
    found = _get(client, "/api/topology", start_ns)
    assert [(edge["target"], edge["is_http"]) for edge in found["edges"]] == [("address:10.0.0.9", False)]
