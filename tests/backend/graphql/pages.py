"""What the pages of a dashboard ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OF_LINES = {"ServiceList": "Service", "InstanceList": "ServiceInstance", "EndpointList": "Endpoint"}
"""Lists ask about each of their lines."""
OF_ARROWS = {"ServiceRelation": "ServiceInstanceRelation"}
"""The map within a relation is that of instances; all others are of services."""


def expressions(page: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a page asks, and of which scope."""
    for item in (item for tab in page["children"][0]["children"] for item in tab["children"]):
        kind = item["graph"].get("type")
        for expression in item.get("expressions", []):
            yield OF_LINES.get(kind, page["entity"]), expression
        for key in ("linkClientExpressions", "linkServerExpressions"):
            for expression in item.get(key, []):
                yield OF_ARROWS.get(page["entity"], "ServiceRelation"), expression
        for expression in [*item.get("nodeExpressions", []), item.get("legendMQE", {}).get("expression")]:
            if expression:
                yield "Service", expression
