"""The dashboards of SkyWalking's user interface: it draws what the expressions in them give."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from rover.backend.graphql.dashboards import dashboards
from rover.backend.metrics import METRICS
from tests.backend.graphql.pages import OF_ARROWS, OF_LINES, expressions
from tests.backend.graphql.test_queries import DURATION, Ask, ask  # noqa: F401

ENTITIES = {
    "All": {"scope": "Service", "serviceName": "cart", "normal": True},
    "Service": {"scope": "Service", "serviceName": "cart", "normal": True},
    "ServiceInstance": {"serviceName": "cart", "normal": True, "serviceInstanceName": "cart-1"},
    "Endpoint": {"serviceName": "cart", "normal": True, "endpointName": "GET:/items/{id}"},
    "ServiceRelation": {"serviceName": "frontend", "normal": True, "destServiceName": "cart", "destNormal": True},
}
ENTITIES["ServiceInstanceRelation"] = ENTITIES["ServiceRelation"] | {
    "serviceInstanceName": "frontend-1",
    "destServiceInstanceName": "cart-1",
}


@pytest.fixture
def pages(ask: Ask) -> list[dict[str, Any]]:  # noqa: F811
    """As they come over the wire: JSON in JSON."""
    templates = ask("query { getAllTemplates { id configuration } }")["getAllTemplates"]
    found = [json.loads(template["configuration"]) for template in templates]
    assert [template["id"] for template in templates] == [page["name"] for page in found]
    return found


def test_every_expression_is_answered(ask: Ask, pages: list[dict[str, Any]]) -> None:  # noqa: F811
    """Without an error, and with values where the calls have them; the interface shows an error as an empty chart."""
    values = set()
    for page in pages:
        for scope, expression in expressions(page):
            query = """
                query ($expression: String!, $entity: Entity!, $duration: Duration!) {
                    result: execExpression(expression: $expression, entity: $entity, duration: $duration) {
                        type error results { values { value } }
                    }
                }
            """
            found = ask(query, expression=expression, entity=ENTITIES[scope], duration=DURATION)["result"]
            assert found["error"] is None, (page["name"], expression, found)
            if any(value["value"] is not None for result in found["results"] for value in result["values"]):
                values.add((page["name"], expression))
    told = {page for page, _ in values}
    assert told == {page["name"] for page in pages}
    assert ("Rover-Endpoint", "kubernetes_service_endpoint_http_call_successful_rate/100") in values
    assert ("Rover-Service-Relation", "kubernetes_service_relation_client_http_call_time") in values


def test_all_metrics_are_shown() -> None:
    """But for those that say what another one says."""
    shown = " ".join(
        expression for page in dashboards() for _, expression in expressions(json.loads(page["configuration"]))
    )
    words = set(shown.replace("(", " ").replace(")", " ").replace("/", " ").replace("*", " ").split())
    hidden = {name.removeprefix("kubernetes_service_") for name in METRICS if name not in words}
    assert hidden == {
        *(f"endpoint_call_{what}" for what in ("cpm", "time", "successful_rate")),
        "relation_client_http_call_duration",
    }


def test_pages_lead_to_pages_that_are_there(pages: list[dict[str, Any]]) -> None:
    """By name, of the right entity, and the interface finds one to begin with."""
    entities = {page["name"]: page["entity"] for page in pages}
    assert [page["name"] for page in pages if page["isRoot"]] == ["Rover-Services"]
    leads = set()
    for page in pages:
        for item in (item for tab in page["children"][0]["children"] for item in tab["children"]):
            if "dashboardName" in item["graph"]:
                leads.add((item["graph"]["dashboardName"], OF_LINES[item["graph"]["type"]]))
            if "linkDashboard" in item:
                leads.add((item["linkDashboard"], OF_ARROWS.get(page["entity"], "ServiceRelation")))
            leads |= {(node["dashboard"], node["scope"]) for node in item.get("nodeDashboard", [])}
    assert {(name, entities.get(name)) for name, _ in leads} == leads
    assert set(entities) - {name for name, _ in leads} == {"Rover-Services"}


def test_widgets_do_not_lie_on_each_other(pages: list[dict[str, Any]]) -> None:
    """Each within the grid's 24 columns, with a number of its own."""
    for page in pages:
        for tab in page["children"][0]["children"]:
            items = tab["children"]
            assert len({item["i"] for item in items}) == len(items)
            assert all(item["x"] >= 0 and item["x"] + item["w"] <= 24 for item in items)
            for one, other in itertools.combinations(items, 2):
                beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
                above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
                assert beside or above, (page["name"], tab["name"], one, other)
