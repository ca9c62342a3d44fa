"""The queries that swctl and SkyWalking's user interface send, to a real server over a real store."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rover.backend import Store
from tests.backend.rows import record, row_of

NOW_S = int(time.time()) // 60 * 60
START_S = NOW_S - 5 * 60
Ask = Callable[..., dict[str, Any]]


def minute(time_s: int) -> str:
    """As the protocol writes it."""
    return time.strftime("%Y-%m-%d %H%M", time.gmtime(time_s))


DURATION = {"start": minute(START_S), "end": minute(START_S + 2 * 60), "step": "MINUTE"}


def encoded(name: str) -> str:
    """Within an id."""
    return base64.b64encode(name.encode()).decode()


def service_id(name: str) -> str:
    """OAP's formula."""
    return encoded(name) + ".1"


@pytest.fixture
def ask(store: Store, client: httpx.Client) -> Ask:
    """Ten calls of `frontend` to `cart` in the first minute and five in the second, told by both ends; every fifth
    fails."""
    rows = []
    for number in range(15):
        time_ns = (START_S + (60 if number >= 10 else 0)) * 10**9 + number
        facts = {"path": f"/items/{number}", "status": 500 if number % 5 == 4 else 200, "duration_ns": 20_000_000}
        told = record(time_ns, number, **facts)
        rows.append(row_of(told))
        mirrored = record(time_ns, 100 + number, side="client", service="frontend", **facts)
        mirrored["local"], mirrored["remote"] = told["remote"], told["local"]
        rows.append(row_of(mirrored))
    store.put(rows)
    assert store.flush()

    def post(query: str, **variables: Any) -> dict[str, Any]:
        answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    return post


def test_swctl_service_list(ask: Ask) -> None:
    """`swctl service ls`, and by name."""
    query = "query ($layer: String!) { result: listServices(layer: $layer) { id name shortName group layers normal } }"
    services = ask(query, layer="K8S_SERVICE")["result"]
    assert [(found["id"], found["name"], found["layers"], found["normal"]) for found in services] == [
        (service_id(name), name, ["K8S_SERVICE"], True) for name in ("cart", "frontend")
    ]
    assert ask(query, layer="MESH")["result"] == []
    query = "query ($serviceName: String!) { result: findService(serviceName: $serviceName) { id name } }"
    assert ask(query, serviceName="cart")["result"]["id"] == service_id("cart")
    assert ask(query, serviceName="nobody")["result"] is None


def test_swctl_instance_and_endpoint_list(ask: Ask) -> None:
    """`swctl instance list`, `swctl endpoint list`."""
    query = """
        query ($serviceId: ID!, $duration: Duration!) {
            result: listInstances(serviceId: $serviceId, duration: $duration) {
                id name language instanceUUID attributes { name value }
            }
        }
    """
    (instance,) = ask(query, serviceId=service_id("cart"), duration=DURATION)["result"]
    assert instance["id"] == service_id("cart") + "_" + base64.b64encode(b"cart-1").decode()
    query = """
        query ($serviceId: ID!, $keyword: String!, $limit: Int!, $duration: Duration) {
            result: findEndpoint(serviceId: $serviceId, keyword: $keyword, limit: $limit, duration: $duration) {
                id name
            }
        }
    """
    given = {"serviceId": service_id("cart"), "limit": 10, "duration": DURATION}
    assert [found["name"] for found in ask(query, keyword="", **given)["result"]] == ["GET:/items/{id}"]
    assert ask(query, keyword="nothing", **given)["result"] == []


TOPOLOGY = """
    nodes { id name type isReal layers } calls { id source target detectPoints sourceComponents targetComponents }
"""


def test_swctl_dependencies(ask: Ask) -> None:
    """`swctl dependency global`, `service` and `instance`: both detect points, ids by OAP's formula."""
    query = f"query ($layer: String, $duration: Duration!) {{ result: getGlobalTopology(duration: $duration, layer: $layer) {{ {TOPOLOGY} }} }}"  # noqa: E501
    found = ask(query, layer="K8S_SERVICE", duration=DURATION)["result"]
    cart, frontend = service_id("cart"), service_id("frontend")
    assert [(node["id"], node["type"], node["isReal"]) for node in found["nodes"]] == [
        (cart, "http", True),
        (frontend, None, True),
    ]
    (call,) = found["calls"]
    assert (call["id"], call["detectPoints"]) == (f"{frontend}-{cart}", ["CLIENT", "SERVER"])
    assert (call["sourceComponents"], call["targetComponents"]) == (["http"], ["http"])
    query = f"query ($ids: [ID!]!, $duration: Duration!) {{ result: getServicesTopology(serviceIds: $ids, duration: $duration) {{ {TOPOLOGY} }} }}"  # noqa: E501
    assert ask(query, ids=[cart], duration=DURATION)["result"] == found
    query = """
        query ($clientServiceId: ID!, $serverServiceId: ID!, $duration: Duration!) {
            result: getServiceInstanceTopology(
                clientServiceId: $clientServiceId, serverServiceId: $serverServiceId, duration: $duration
            ) { nodes { id name type isReal serviceName serviceId } calls { id source detectPoints target } }
        }
    """
    pods = ask(query, clientServiceId=frontend, serverServiceId=cart, duration=DURATION)["result"]
    assert [node["name"] for node in pods["nodes"]] == ["cart-1", "frontend-1"]
    assert [call["detectPoints"] for call in pods["calls"]] == [["CLIENT", "SERVER"]]


EXECUTE = """
    query ($expression: String!, $entity: Entity!, $duration: Duration!) {
        result: execExpression(expression: $expression, entity: $entity, duration: $duration) {
            type error
            results {
                metric { labels { key value } }
                values { id value traceID owner { scope serviceID serviceName endpointName } }
            }
        }
    }
"""
CART = {"scope": "Service", "serviceName": "cart", "normal": True}
CLIENT = {"serviceName": "frontend", "normal": True, "destServiceName": "cart", "destNormal": True}


@pytest.mark.parametrize(
    ("expression", "entity", "expected"),
    [
        ("kubernetes_service_http_call_cpm", CART, ["10", "5", None]),
        ("kubernetes_service_http_call_time", CART, ["20", "20", None]),
        ("kubernetes_service_http_call_successful_rate/100", CART, ["80", "80", None]),
        ("kubernetes_service_apdex", CART, ["8000", "8000", None]),
        ("kubernetes_service_http_status_5xx_cpm + 1", CART, ["3", "2", None]),
        ("avg(kubernetes_service_http_call_cpm)", CART, ["7.5"]),
        ("latest(kubernetes_service_http_call_cpm) * 2 - 1", CART, ["9"]),
        ("kubernetes_service_http_call_successful_rate / 100 < 95", CART, ["1", "1", None]),
        ("(1 + 2) / 4", CART, ["0.75"]),
        ("round(avg(kubernetes_service_http_call_cpm) / 7, 2)", CART, ["1.07"]),
        ("kubernetes_service_http_call_cpm", {"serviceName": "nobody"}, [None, None, None]),
        ("kubernetes_service_relation_client_http_call_cpm", CLIENT, ["10", "5", None]),
        ("kubernetes_service_relation_server_http_call_cpm", CLIENT, ["10", "5", None]),
        (
            "kubernetes_service_endpoint_http_call_cpm",
            {"serviceName": "cart", "endpointName": "GET:/items/{id}"},
            ["10", "5", None],
        ),
        ("kubernetes_service_instance_http_call_cpm", CART | {"serviceInstanceName": "cart-1"}, ["10", "5", None]),
    ],
)
def test_swctl_metrics_exec(ask: Ask, expression: str, entity: dict[str, Any], expected: list[str | None]) -> None:
    """`swctl metrics exec`: one value for each minute, whose id is its time in ms."""
    found = ask(EXECUTE, expression=expression, entity=entity, duration=DURATION)["result"]
    assert found["error"] is None
    (result,) = found["results"]
    assert [value["value"] for value in result["values"]] == expected
    if found["type"] == "TIME_SERIES_VALUES":
        assert [value["id"] for value in result["values"]] == [str((START_S + 60 * n) * 1000) for n in range(3)]


def test_percentiles_have_a_series_each(ask: Ask) -> None:
    """By their label `p`, in ms, off by 1 % at most; one of them by name."""
    found = ask(EXECUTE, expression="kubernetes_service_percentile", entity=CART, duration=DURATION)["result"]
    labels = [result["metric"]["labels"][0]["value"] for result in found["results"]]
    assert labels == ["50", "75", "90", "95", "99"]
    assert all(abs(float(result["values"][0]["value"]) - 20) <= 0.2 for result in found["results"])
    expression = "max(kubernetes_service_percentile{p='99'})"
    found = ask(EXECUTE, expression=expression, entity=CART, duration=DURATION)["result"]
    assert [(result["metric"]["labels"][0]["value"], found["type"]) for result in found["results"]] == [
        ("99", "SINGLE_VALUE")
    ]


def test_top_lists_have_owners(ask: Ask) -> None:
    """As the root page asks."""
    expression = "top_n(kubernetes_service_http_call_cpm,10,des,attr0='K8S_SERVICE')"
    found = ask(EXECUTE, expression=expression, entity={"scope": "All"}, duration=DURATION)["result"]
    assert found["type"] == "SORTED_LIST"
    assert [(value["id"], value["owner"]["serviceID"]) for value in found["results"][0]["values"]] == [
        ("cart", service_id("cart"))
    ]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("no_such_metric", "Metric: [no_such_metric] does not exist."),
        ("1 +", "ends too early"),
        ("sum(", "ends too early"),
        ("kubernetes_service_endpoint_call_cpm", "no endpointName"),
        ("baseline(1)", "not a function"),
        ("(" * 100, "nested too deeply"),
        ("1" * 3000, "longer than"),
    ],
)
def test_a_wrong_expression_is_told(ask: Ask, expression: str, told: str) -> None:
    """In the result, as OAP does it."""
    found = ask(EXECUTE, expression=expression, entity=CART, duration=DURATION)["result"]
    assert found["type"] == "UNKNOWN"
    assert told in found["error"]


def test_what_a_user_interface_asks_first(ask: Ask) -> None:
    """Booster's start and the page of a layer; Horizon's look at the schema."""
    found = ask("""
        query {
            version
            getTimeInfo { timezone currentTimestamp }
            checkHealth { score details }
            getRecordsTTL { normal trace zipkinTrace log browserErrorLog }
            getMetricsTTL { minute hour day }
            getMenuItems { title icon layer activate description documentLink i18nKey subItems { title layer } }
            getAllTemplates { id configuration }
            listLayers
            listLayerLevels { layer level }
            __type(name: "Query") { fields { name } }
        }
    """)
    assert found["version"].startswith("10.2.0")
    assert found["checkHealth"]["score"] == 0
    assert abs(found["getTimeInfo"]["currentTimestamp"] / 1000 - time.time()) < 60
    assert found["listLayers"] == ["K8S_SERVICE"]
    assert found["getMetricsTTL"] == {"minute": 1, "hour": 30, "day": 400}
    assert {"name": "execExpression"} in found["__type"]["fields"]


def test_all_metrics_are_listed(ask: Ask) -> None:
    """296 names."""
    query = "query ($regex: String) { listMetrics(regex: $regex) { name type catalog } }"
    assert len(ask(query, regex="kubernetes_.*")["listMetrics"]) == 296
    assert ask(query, regex="nothing")["listMetrics"] == []


def test_older_queries_tell_the_same(ask: Ask) -> None:
    """Those of SkyWalking's plugin for Grafana: services, and figures of nodes and arrows by their ids."""
    query = (
        'query ($duration: Duration!) { services: getAllServices(duration: $duration, group: "") { id name layers } }'
    )
    assert [found["name"] for found in ask(query, duration=DURATION)["services"]] == ["cart", "frontend"]
    query = 'query ($duration: Duration!) { found: searchServices(duration: $duration, keyword: "CAR") { name } }'
    assert ask(query, duration=DURATION)["found"] == [{"name": "cart"}]
    cart, frontend = service_id("cart"), service_id("frontend")
    query = """
        query ($name: String!, $ids: [ID!]!, $duration: Duration!) {
            found: getValues(metric: {name: $name, ids: $ids}, duration: $duration) { values { id value isEmptyValue } }
        }
    """
    for name, ids, expected in (
        ("kubernetes_service_http_call_cpm", [cart, service_id("nobody")], [(7, False), (0, True)]),
        ("kubernetes_service_relation_client_http_call_cpm", [f"{frontend}-{cart}"], [(7, False)]),
        ("kubernetes_service_instance_http_call_time", [f"{cart}_{encoded('cart-1')}"], [(20, False)]),
        ("kubernetes_service_endpoint_http_call_cpm", [f"{cart}_{encoded('GET:/items/{id}')}"], [(7, False)]),
        ("kubernetes_service_relation_server_write_package_size", [f"{frontend}-{cart}"], [(15 * 1180, False)]),
    ):
        found = ask(query, name=name, ids=ids, duration=DURATION)["found"]["values"]
        assert [value["id"] for value in found] == ids
        assert [(value["value"], value["isEmptyValue"]) for value in found] == expected, name
    query = """
        query ($name: String!, $id: ID, $duration: Duration!) {
            found: getLinearIntValues(metric: {name: $name, id: $id}, duration: $duration) { values { id value } }
        }
    """
    found = ask(query, name="kubernetes_service_http_call_cpm", id=cart, duration=DURATION)["found"]["values"]
    assert [value["value"] for value in found] == [10, 5, 0]


@pytest.mark.parametrize(
    ("name", "id_", "told"),
    [
        ("no_such_metric", "Y2FydA==.1", "does not exist"),
        ("kubernetes_service_percentile", "Y2FydA==.1", "has labels"),
        ("kubernetes_service_http_call_cpm", "cart", "no id of a service"),
        ("kubernetes_service_relation_client_http_call_cpm", "Y2FydA==.1", "no id of a relation"),
        ("kubernetes_service_instance_http_call_cpm", "Y2FydA==.1", "no id of an instance"),
        ("kubernetes_service_http_call_cpm", None, "`id` is not given"),
    ],
)
def test_a_wrong_older_query_is_told(client: httpx.Client, name: str, id_: str | None, told: str) -> None:
    """As errors of the request, with the reason."""
    query = """
        query ($name: String!, $id: ID, $duration: Duration!) {
            getLinearIntValues(metric: {name: $name, id: $id}, duration: $duration) { values { value } }
        }
    """
    variables = {"name": name, "id": id_, "duration": DURATION}
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert told in answer["errors"][0]["message"]
