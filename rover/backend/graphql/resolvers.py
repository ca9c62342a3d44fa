"""What each field of the query protocol answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import rover
from rover.backend.graphql.asked import Asked
from rover.backend.graphql.dashboards import LAYER, dashboards
from rover.backend.graphql.duration import Span, span_of
from rover.backend.graphql.evaluate import execute
from rover.backend.graphql.ids import member_id, member_names, node_id, service_id, service_name
from rover.backend.graphql.older import linear_values, values
from rover.backend.metrics import METRICS, Call, Node, Topology
from rover.backend.options import BackendOptions
from rover.backend.store.metrics.kinds import DAY_S, Kind

PROTOCOL_VERSION = "10.2.0"
"""Release of OAP whose queries are served; clients choose their own by it."""
LISTED_S = DAY_S
"""Services that were told within this time are listed."""
MOST_ENDPOINTS = 1000
PATTERN_LENGTH = 200


class Resolvers:
    """One method for each field of Query, by its name. They raise ValueError for what a client got wrong."""

    def __init__(self, options: BackendOptions) -> None:
        self._options = options

    def table(self) -> dict[str, Callable[..., Any]]:
        """Fields and what answers them; each is called with the request's `Asked` and its arguments."""
        return {
            "version": lambda _: f"{PROTOCOL_VERSION}-rover-{rover.__version__}",
            "getTimeInfo": lambda _: {"timezone": "+0000", "currentTimestamp": time.time_ns() // 10**6},
            "checkHealth": lambda _: {"score": 0, "details": ""},
            "getRecordsTTL": self._records_ttl,
            "getMetricsTTL": self._metrics_ttl,
            "listLayers": lambda _: [LAYER],
            "listLayerLevels": lambda _: [{"layer": LAYER, "level": 1}],
            "listServices": _list_services,
            "getService": lambda asked, serviceId: _find_service(asked, service_name(serviceId)),  # noqa: N803
            "findService": lambda asked, serviceName: _find_service(asked, serviceName),  # noqa: N803
            "listInstances": _list_instances,
            "getInstance": lambda _, instanceId: _instance(*member_names(instanceId)),  # noqa: N803
            "findEndpoint": _find_endpoint,
            "getEndpointInfo": _endpoint_info,
            "getGlobalTopology": _global_topology,
            "getServiceTopology": _service_topology,
            "getServicesTopology": _services_topology,
            "getServiceInstanceTopology": _instance_topology,
            "getServiceHierarchy": lambda *_, **__: {"relations": []},
            "getInstanceHierarchy": lambda *_, **__: {"relations": []},
            "listMetrics": _list_metrics,
            "typeOfMetrics": _type_of_metrics,
            "execExpression": lambda asked, expression, entity, duration, **_: execute(
                asked, expression, entity, span_of(duration)
            ),
            "getMenuItems": _menu,
            "getAllTemplates": lambda _: dashboards(),
            "getAllServices": lambda asked, group="", **_: _search_services(asked, group=group or ""),
            "searchServices": lambda asked, keyword, **_: _search_services(asked, keyword),
            "searchService": lambda asked, serviceCode: _find_service(asked, serviceCode),  # noqa: N803
            "getServiceInstances": _list_instances,
            "searchEndpoint": _find_endpoint,
            "getLinearIntValues": linear_values,
            "getValues": values,
        }

    def _records_ttl(self, _: Asked) -> dict[str, int]:
        days = max(1, round(self._options.retention_hours / 24))
        kept = {"normal": days, "trace": days, "zipkinTrace": days, "log": days, "browserErrorLog": days}
        cold = ("coldNormal", "coldTrace", "coldZipkinTrace", "coldLog", "coldBrowserErrorLog")
        return kept | dict.fromkeys(cold, -1)

    def _metrics_ttl(self, _: Asked) -> dict[str, int]:
        options = self._options
        minute = max(1, round(options.retention_hours / 24))
        hour, day = max(1, round(options.hours_days)), max(1, round(options.days_days))
        cold = dict.fromkeys(("coldMinute", "coldHour", "coldDay"), -1)
        return {"metadata": day, "minute": minute, "hour": hour, "day": day} | cold


def _told(asked: Asked) -> list[str]:
    now_s = int(time.time())
    return asked.metrics.told_services(now_s - LISTED_S, now_s + 60)


def _service(name: str) -> dict[str, Any]:
    group, separator, short = name.partition("::")
    return {
        "id": service_id(name),
        "name": name,
        "group": group if separator else "",
        "shortName": short if separator else name,
        "layers": [LAYER],
        "normal": True,
    }


def _list_services(asked: Asked, layer: str | None = None) -> list[dict[str, Any]]:
    return [_service(name) for name in _told(asked)] if layer in (None, "", LAYER) else []


def _search_services(asked: Asked, keyword: str = "", group: str = "") -> list[dict[str, Any]]:
    found = [service for service in _list_services(asked) if keyword.lower() in service["name"].lower()]
    return [service for service in found if group in ("", service["group"])]


def _find_service(asked: Asked, name: str) -> dict[str, Any] | None:
    return _service(name) if name in _told(asked) else None


def _instance(service: str, name: str) -> dict[str, Any]:
    return {
        "id": member_id(service, name),
        "name": name,
        "attributes": [],
        "language": "UNKNOWN",
        "instanceUUID": member_id(service, name),
    }


def _list_instances(asked: Asked, duration: dict[str, Any], serviceId: str) -> list[dict[str, Any]]:  # noqa: N803
    service, span = service_name(serviceId), span_of(duration)
    names = asked.metrics.instances(service, span.start_s, span.end_s)
    return [_instance(service, name) for name in sorted(names)]


def _find_endpoint(
    asked: Asked,
    serviceId: str,  # noqa: N803
    limit: int,
    keyword: str | None = None,
    duration: dict[str, Any] | None = None,
) -> list[dict[str, str]]:
    service = service_name(serviceId)
    if duration is None:
        names: Iterable[str] = asked.metrics.known_members(service, Kind.ENDPOINT)
    else:
        span = span_of(duration)
        names = asked.metrics.endpoints(service, span.start_s, span.end_s)
    wanted = sorted(name for name in names if (keyword or "").lower() in name.lower())
    return [{"id": member_id(service, name), "name": name} for name in wanted[: max(0, min(limit, MOST_ENDPOINTS))]]


def _endpoint_info(_: Asked, endpointId: str) -> dict[str, str]:  # noqa: N803
    service, name = member_names(endpointId)
    return {"id": endpointId, "name": name, "serviceId": service_id(service), "serviceName": service}


def _global_topology(asked: Asked, duration: dict[str, Any], layer: str | None = None, **_: Any) -> dict[str, Any]:
    if layer not in (None, "", LAYER):
        return {"nodes": [], "calls": []}
    return _topology(asked, asked.topology(span_of(duration)))


def _service_topology(asked: Asked, serviceId: str, duration: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
    return _services_topology(asked, [serviceId], duration)


def _services_topology(
    asked: Asked,
    serviceIds: list[str],  # noqa: N803
    duration: dict[str, Any],
    **_: Any,
) -> dict[str, Any]:
    wanted = [service_name(id_) for id_ in serviceIds]
    found = asked.topology(span_of(duration)).around(wanted)
    # A service that nobody talked to is shown all the same.
    alone = {name for name in wanted if name in _told(asked)} - {node.service for node in found.nodes}
    found.nodes.extend(Node(name) for name in sorted(alone))
    return _topology(asked, found)


def _topology(asked: Asked, found: Topology) -> dict[str, Any]:
    told = set(_told(asked))
    types = _types(found.calls)
    nodes = [
        {
            "id": node_id(node),
            "name": node.service,
            "type": types.get(node),
            "isReal": node.is_real,
            "layers": [LAYER if node.is_real and node.service in told else "UNDEFINED"],
        }
        for node in found.nodes
    ]
    return {"nodes": nodes, "calls": [_call(call) for call in found.calls]}


def _instance_topology(
    asked: Asked,
    clientServiceId: str,  # noqa: N803
    serverServiceId: str,  # noqa: N803
    duration: dict[str, Any],
    **_: Any,
) -> dict[str, Any]:
    ends = service_name(clientServiceId), service_name(serverServiceId)
    span: Span = span_of(duration)
    found = asked.metrics.instance_topology(*ends, span.start_s, span.end_s)
    types = _types(found.calls)
    nodes = [
        {
            "id": node_id(node),
            "name": node.instance or "",
            "serviceId": service_id(node.service),
            "serviceName": node.service,
            "type": types.get(node),
            "isReal": True,
        }
        for node in found.nodes
    ]
    # Components are those of services.
    bare: dict[str, list[str]] = {"sourceComponents": [], "targetComponents": []}
    return {"nodes": nodes, "calls": [_call(call) | bare for call in found.calls]}


def _call(call: Call) -> dict[str, Any]:
    source, target = node_id(call.source), node_id(call.target)
    return {
        "id": f"{source}-{target}",
        "source": source,
        "target": target,
        "detectPoints": call.detect_points,
        "sourceComponents": call.client.components() if call.client else [],
        "targetComponents": call.server.components() if call.server else [],
    }


def _types(calls: Iterable[Call]) -> dict[Node, str]:
    """What a node is by what it was spoken to: the server's view decides, the client's stands in for it."""
    types: dict[Node, str] = {}
    for call in sorted(calls, key=lambda call: call.server is not None):
        components = call.seen.components()
        if components:
            types[call.target] = components[0]
    return types


def _list_metrics(_: Asked, regex: str | None = None) -> list[dict[str, str]]:
    if regex is not None and len(regex) > PATTERN_LENGTH:
        raise ValueError(f"regex: longer than {PATTERN_LENGTH}")
    try:
        pattern = re.compile(regex or "")
    except re.error as error:
        raise ValueError(f"regex: {error}") from error
    return [
        {"name": name, "type": _type_of_metrics(_, name), "catalog": METRICS[name].scope}
        for name in METRICS
        if pattern.match(name)
    ]


def _type_of_metrics(_: Asked, name: str) -> str:
    if name not in METRICS:
        return "UNKNOWN"
    return "LABELED_VALUE" if METRICS[name].function == "percentile" else "REGULAR_VALUE"


def _menu(_: Asked) -> list[dict[str, Any]]:
    entry = {"icon": "kubernetes", "activate": True, "description": "", "documentLink": "", "i18nKey": "kubernetes"}
    service = entry | {"title": "Service", "layer": LAYER, "i18nKey": "kubernetes_service", "subItems": []}
    return [entry | {"title": "Kubernetes", "layer": "", "subItems": [service]}]
