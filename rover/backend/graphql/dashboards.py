"""Dashboards of SkyWalking's user interface (Booster): what `getAllTemplates` answers.

The interface draws what its backend tells it to, in a grid of 24 columns: tabs of widgets, each with expressions over
metrics. Here the grid is made of lists of charts."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rover.backend.graphql.charts import (
    ENDPOINT,
    HTTP,
    HTTP_OF_ENDPOINT,
    HTTP_WITHOUT_RATE,
    INSTANCE,
    PERCENTILES,
    SERVICE,
    SIDE_OF_RELATION,
    SUCCESS_OF_RELATION,
    TCP,
    TCP_OF_RELATION,
    Chart,
    layers,
)

LAYER = "K8S_SERVICE"
"""The layer of all that access logs tell; OAP knows these metrics in it alone."""

COLUMNS, CHART_ROWS, LIST_ROWS = 24, 12, 48

SIDES = ("client", "server")

Grid = dict[str, Any]
Column = tuple[str, str, str]
"""Label, expression and unit of what a list tells about each of its lines."""


@functools.cache
def dashboards() -> list[dict[str, str]]:
    """Id and configuration of each, as `getAllTemplates` answers; the configuration is JSON."""
    pages = [_root(), _service(), _instance(), _endpoint(), *_relations()]
    return [{"id": page["name"], "configuration": json.dumps(page)} for page in pages]


def _root() -> Grid:
    columns = [*_calls(SERVICE, "latest"), *_bytes(SERVICE)]
    services = _list("ServiceList", "Rover-Service", columns, has_groups=True)
    return _page("Rover-Services", "All", [("Services", [services]), ("Topology", [_topology()])], is_root=True)


def _service() -> Grid:
    tabs = [
        ("HTTP", _charts(HTTP, SERVICE)),
        ("TCP", _charts(TCP, SERVICE)),
        ("Layers", _charts(layers(SERVICE), SERVICE)),
        ("Endpoints", [_list("EndpointList", "Rover-Endpoint", _calls(ENDPOINT, "avg"))]),
        ("Instances", [_list("InstanceList", "Rover-Instance", _calls(INSTANCE, "avg"))]),
        ("Topology", [_topology()]),
    ]
    return _page("Rover-Service", "Service", tabs)


def _instance() -> Grid:
    tabs = [
        ("HTTP", _charts(HTTP, INSTANCE)),
        ("TCP", _charts(TCP, INSTANCE)),
        ("Layers", _charts(layers(INSTANCE), INSTANCE)),
    ]
    return _page("Rover-Instance", "ServiceInstance", tabs)


def _endpoint() -> Grid:
    return _page("Rover-Endpoint", "Endpoint", [("HTTP", _charts(HTTP_OF_ENDPOINT, ENDPOINT))])


def _relations() -> Iterable[Grid]:
    services, instances = f"{SERVICE}relation_", f"{INSTANCE}relation_"
    tabs = _views(services, (*HTTP_WITHOUT_RATE, SUCCESS_OF_RELATION))
    pods = _topology_of(instances, "Rover-Instance-Relation")
    yield _page("Rover-Service-Relation", "ServiceRelation", [*tabs, ("Topology", [pods])])
    yield _page("Rover-Instance-Relation", "ServiceInstanceRelation", _views(instances, HTTP_WITHOUT_RATE))


def _views(prefix: str, http: Sequence[Chart]) -> list[tuple[str, list[Grid]]]:
    """What both ends of a relation saw: the difference is the network between them."""
    tabs = [("Connections", _charts(TCP_OF_RELATION, prefix))]
    for side in SIDES:
        tabs.append((f"HTTP ({side})", _charts(http, f"{prefix}{side}_")))
        tabs.append((f"TCP ({side})", _charts(SIDE_OF_RELATION, f"{prefix}{side}_")))
    return tabs


def _page(name: str, entity: str, tabs: Sequence[tuple[str, list[Grid]]], is_root: bool = False) -> Grid:
    rows = max(item["y"] + item["h"] for _, items in tabs for item in items)
    children = [{"name": title, "children": _numbered(items)} for title, items in tabs]
    tab = _placed({"type": "Tab", "i": "0", "children": children}, COLUMNS, rows + 3)
    return {"name": name, "layer": LAYER, "entity": entity, "isRoot": is_root, "children": [tab]}


def _numbered(items: list[Grid]) -> list[Grid]:
    return [item | {"i": str(number)} for number, item in enumerate(items)]


def _placed(item: Grid, columns: int, rows: int, x: int = 0, y: int = 0) -> Grid:
    return {"x": x, "y": y, "w": columns, "h": rows} | item


def _charts(charts: Sequence[Chart], prefix: str) -> list[Grid]:
    """Three in a row."""
    width = COLUMNS // 3
    return [
        _placed(_chart(chart, prefix), width, CHART_ROWS, number % 3 * width, number // 3 * CHART_ROWS)
        for number, chart in enumerate(charts)
    ]


def _chart(chart: Chart, prefix: str) -> Grid:
    look = {"type": "Line", "step": False, "smooth": False, "showSymbol": True, "showXAxis": True, "showYAxis": True}
    # A metric with labels draws a line for each of them.
    labels = [] if chart is PERCENTILES else [{"label": label} for label, _ in chart.lines]
    expressions = [expression.replace("$", prefix) for _, expression in chart.lines]
    return _widget(expressions, "TIME_SERIES_VALUES") | {
        "widget": {"title": chart.title},
        "graph": look,
        "metricConfig": labels,
    }


def _list(kind: str, dashboard: str, columns: Sequence[Column], has_groups: bool = False) -> Grid:
    look = {"type": kind, "dashboardName": dashboard, "fontSize": 12, "showXAxis": False, "showYAxis": False}
    item = _widget([expression for _, expression, _ in columns], "SINGLE_VALUE") | {
        "graph": look | ({"showGroup": True} if has_groups else {}),
        "metricConfig": _titles(columns),
    }
    return _placed(item, COLUMNS, LIST_ROWS)


def _widget(expressions: list[str], kind: str) -> Grid:
    # Releases before 10.2 want to be told the mode and the type of each.
    types = [kind] * len(expressions)
    return {"type": "Widget", "metricMode": "Expression", "expressions": expressions, "typesOfMQE": types}


def _topology() -> Grid:
    """The map. A service is unhealthy where one of twenty calls fails, and more than one is made a minute."""
    node = [*_calls(SERVICE, "avg"), *_bytes(SERVICE)]
    ill = f"(avg({SERVICE}http_call_successful_rate)/100 < 95) * (avg({SERVICE}http_call_cpm) > 1) == 1"
    return _topology_of(f"{SERVICE}relation_", "Rover-Service-Relation") | {
        "nodeDashboard": [
            {"scope": "Service", "dashboard": "Rover-Service"},
            {"scope": "ServiceInstance", "dashboard": "Rover-Instance"},
            {"scope": "Endpoint", "dashboard": "Rover-Endpoint"},
        ],
        "nodeExpressions": [expression for _, expression, _ in node],
        "nodeMetricConfig": _titles(node),
        "legendMQE": {"expression": ill},
        "description": {"healthy": "Healthy", "unhealthy": "Success below 95 %, and more than one call a minute"},
    }


def _topology_of(relations: str, dashboard: str) -> Grid:
    """A map of which the arrows tell what both ends saw, and lead to a dashboard."""
    item: Grid = {
        "type": "Topology",
        "metricMode": "Expression",
        "graph": {"showDepth": True},
        "linkDashboard": dashboard,
        "nodeDashboard": [],
        "nodeExpressions": [],
        "legendMQE": {"expression": ""},
        "description": {},
    }
    for side in SIDES:
        seen = f"{relations}{side}_"
        told = [
            (f"{side}: {label}", expression, unit) for label, expression, unit in [*_load(seen, "avg"), *_bytes(seen)]
        ]
        item[f"link{side.capitalize()}Expressions"] = [expression for _, expression, _ in told]
        item[f"link{side.capitalize()}MetricConfig"] = _titles(told)
    return _placed(item, COLUMNS, LIST_ROWS)


def _load(prefix: str, of_time: str) -> list[Column]:
    return [
        ("Load", f"{of_time}({prefix}http_call_cpm)", "calls/min"),
        ("Latency", f"{of_time}({prefix}http_call_time)", "ms"),
    ]


def _calls(prefix: str, of_time: str) -> list[Column]:
    return [*_load(prefix, of_time), ("Success", f"{of_time}({prefix}http_call_successful_rate)/100", "%")]


def _bytes(prefix: str) -> list[Column]:
    """By the step of the range that is looked at: a minute, an hour or a day."""
    return [
        ("Sent", f"avg({prefix}write_package_size)", "bytes a step"),
        ("Received", f"avg({prefix}read_package_size)", "bytes a step"),
    ]


def _titles(columns: Sequence[Column]) -> list[Grid]:
    return [{"label": label, "unit": unit} for label, _, unit in columns]
