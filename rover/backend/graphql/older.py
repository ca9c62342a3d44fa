"""The older queries of the protocol, which OAP still answers; the plugin for Grafana and old swctl ask them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from rover.backend.graphql.asked import Asked
from rover.backend.graphql.duration import Span, span_of
from rover.backend.graphql.evaluate import known_metric
from rover.backend.graphql.ids import member_names, service_name
from rover.backend.metrics import Entity, Metric

Answer = dict[str, Any]


def entity_of(metric: Metric, id_: str) -> Entity:
    """What an id says, of the scope of a metric. Raises ValueError: it is an id of something else."""
    if metric.scope in ("ServiceRelation", "ServiceInstanceRelation"):
        source, separator, target = id_.partition("-")
        if not separator:
            raise ValueError(f"{id_!r} is no id of a relation")
        if metric.scope == "ServiceRelation":
            return Entity(service_name(source), peer_service=service_name(target))
        (service, instance), (peer, peer_instance) = member_names(source), member_names(target)
        return Entity(service, instance=instance, peer_service=peer, peer_instance=peer_instance)
    if metric.scope == "Service":
        return Entity(service_name(id_))
    service, name = member_names(id_)
    return Entity(service, endpoint=name) if metric.scope == "Endpoint" else Entity(service, instance=name)


def linear_values(asked: Asked, metric: Answer, duration: Answer) -> Answer:
    """A value for each step."""
    if metric.get("id") is None:
        raise ValueError(f"{metric['name']}: of which entity? `id` is not given")
    span = span_of(duration)
    found = _series(asked, _known(metric["name"]), metric["id"], span)
    return {"values": [_told(str(start * 1000), value) for start, value in zip(span.points, found, strict=True)]}


def values(asked: Asked, metric: Answer, duration: Answer) -> Answer:
    """One value for each entity: the mean of the steps in which something happened, or their sum."""
    span, known = span_of(duration), _known(metric["name"])
    join: Callable[[Sequence[int]], float] = sum if known.function == "sum" else statistics.mean
    told = []
    for id_ in metric["ids"]:
        found = [value for value in _series(asked, known, id_, span) if value is not None]
        told.append(_told(id_, int(join(found)) if found else None))
    return {"values": told}


def _known(name: str) -> Metric:
    metric = known_metric(name)
    if metric.function == "percentile":
        raise ValueError(f"{name} has labels: execExpression gives them")
    return metric


def _series(asked: Asked, metric: Metric, id_: str, span: Span) -> list[int | None]:
    return [value if isinstance(value, int) else None for value in asked.series(metric, entity_of(metric, id_), span)]


def _told(id_: str, value: int | None) -> Answer:
    # The protocol has no null here.
    return {"id": id_, "value": value or 0, "isEmptyValue": value is None}
