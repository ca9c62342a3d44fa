"""Expressions of MQE, evaluated: a tree and an entity give series of values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rover.backend.graphql.asked import Asked
from rover.backend.graphql.duration import Span
from rover.backend.graphql.ids import member_id, service_id
from rover.backend.graphql.syntax import ExpressionError, Function, MetricName, Number, Operation, Tree, parse
from rover.backend.metrics import METRICS, Entity, Metric, Ranked

Value = float | None
MOST_RANKED = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """Values in the order of time, or one."""

    labels: tuple[tuple[str, str], ...]
    values: list[Value]


@dataclass(frozen=True, slots=True)
class Found:
    """What an expression comes to."""

    type: str
    """SINGLE_VALUE, TIME_SERIES_VALUES or SORTED_LIST."""
    series: list[Series]
    ranked: list[Ranked] | None = None
    """Whose the values of a SORTED_LIST are."""


def execute(asked: Asked, expression: str, entity: Mapping[str, Any], span: Span) -> dict[str, Any]:
    """An ExpressionResult; what is wrong with an expression is its `error`."""
    try:
        found = _evaluate(asked, parse(expression), entity, span)
    except ExpressionError as error:
        return {"type": "UNKNOWN", "results": [], "error": str(error)}
    return {"type": found.type, "results": list(_results(found, span)), "error": None}


def _evaluate(asked: Asked, tree: Tree, entity: Mapping[str, Any], span: Span) -> Found:
    match tree:
        case Number(value):
            return Found("SINGLE_VALUE", [Series((), [value])])
        case MetricName():
            return _metric(asked, tree, entity, span)
        case Operation(sign, left, right):
            return _combined(sign, _evaluate(asked, left, entity, span), _evaluate(asked, right, entity, span))
        case Function():
            return _function(asked, tree, entity, span)


def known_metric(name: str) -> Metric:
    """The metric of this name. Raises ExpressionError: there is none."""
    metric = METRICS.get(name)
    if metric is None:
        raise ExpressionError(f"Metric: [{name}] does not exist.")
    return metric


def _metric(asked: Asked, tree: MetricName, given: Mapping[str, Any], span: Span) -> Found:
    metric = known_metric(tree.name)
    values = asked.series(metric, _entity(metric, given), span)
    if metric.function != "percentile":
        return Found("TIME_SERIES_VALUES", [Series((), [_number(value) for value in values])])
    wanted = tree.labels.get("p") or ["50", "75", "90", "95", "99"]
    series = [
        Series((("p", label),), [value.get(label) if isinstance(value, dict) else None for value in values])
        for label in wanted
    ]
    return Found("TIME_SERIES_VALUES", series)


def _number(value: object) -> Value:
    return float(value) if isinstance(value, int) else None


def _entity(metric: Metric, given: Mapping[str, Any]) -> Entity:
    names = {
        "Service": ["serviceName"],
        "ServiceInstance": ["serviceName", "serviceInstanceName"],
        "Endpoint": ["serviceName", "endpointName"],
        "ServiceRelation": ["serviceName", "destServiceName"],
        "ServiceInstanceRelation": [
            "serviceName",
            "serviceInstanceName",
            "destServiceName",
            "destServiceInstanceName",
        ],
    }[metric.scope]
    for name in names:
        if not given.get(name):
            raise ExpressionError(f"{metric.name} is a metric of {metric.scope}: the entity has no {name}")
    return Entity(
        given["serviceName"],
        instance=given.get("serviceInstanceName") if "serviceInstanceName" in names else None,
        endpoint=given.get("endpointName") if "endpointName" in names else None,
        peer_service=given.get("destServiceName") if "destServiceName" in names else None,
        peer_instance=given.get("destServiceInstanceName") if "destServiceInstanceName" in names else None,
    )


SIGNS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def _combined(sign: str, left: Found, right: Found) -> Found:
    """Value by value; a single one goes with each of the other side, and unlabelled series with each labelled one."""
    if "SORTED_LIST" in (left.type, right.type) and left.type != right.type:
        many, one = (left, right) if left.type == "SORTED_LIST" else (right, left)
        if one.type != "SINGLE_VALUE":
            raise ExpressionError("a list can only be combined with a single value")
        return Found("SORTED_LIST", list(_pairs(sign, left, right)), many.ranked)
    if left.type == "SORTED_LIST":
        raise ExpressionError("two lists cannot be combined")
    types = {left.type, right.type}
    return Found("SINGLE_VALUE" if types == {"SINGLE_VALUE"} else "TIME_SERIES_VALUES", list(_pairs(sign, left, right)))


def _pairs(sign: str, left: Found, right: Found) -> Iterator[Series]:
    by_labels = {series.labels: series for series in right.series}
    plain = by_labels.get(())
    if left.series and all(not series.labels for series in left.series) and plain is None:
        first = left.series[0]
        yield from (Series(other.labels, _applied(sign, first.values, other.values)) for other in right.series)
        return
    for series in left.series:
        other = by_labels.get(series.labels) or plain
        if other is not None:
            yield Series(series.labels, _applied(sign, series.values, other.values))


def _applied(sign: str, left: list[Value], right: list[Value]) -> list[Value]:
    length = max(len(left), len(right))
    left = left * length if len(left) == 1 else left
    right = right * length if len(right) == 1 else right
    return [_one(sign, a, b) for a, b in zip(left, right, strict=False)]


def _one(sign: str, left: Value, right: Value) -> Value:
    if left is None or right is None or (sign in "/%" and right == 0):
        return None
    try:
        return float(SIGNS[sign](left, right))
    except OverflowError:
        return None


AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "avg": lambda values: sum(values) / len(values),
    "latest": lambda values: values[-1],
    "sum": sum,
    "max": max,
    "min": min,
    "count": len,
}
MAPPED: dict[str, Callable[[float], float]] = {"abs": abs, "ceil": math.ceil, "floor": math.floor}


def _function(asked: Asked, tree: Function, entity: Mapping[str, Any], span: Span) -> Found:
    if tree.name == "top_n":
        return _top(asked, tree, span)
    if not tree.arguments:
        raise ExpressionError(f"{tree.name} needs an argument")
    if tree.name not in AGGREGATES and tree.name not in MAPPED and tree.name != "round":
        raise ExpressionError(f"{tree.name} is not a function that is served here")
    inner = _evaluate(asked, tree.arguments[0], entity, span)
    if tree.name in AGGREGATES:
        if inner.type == "SORTED_LIST":
            raise ExpressionError(f"{tree.name} takes no list")
        aggregate = AGGREGATES[tree.name]
        return Found("SINGLE_VALUE", [Series(one.labels, [_aggregated(aggregate, one)]) for one in inner.series])
    digits = _literal(tree, 1) if tree.name == "round" and len(tree.arguments) > 1 else 0
    apply = MAPPED.get(tree.name) or (lambda value: round(value, digits))
    mapped = [
        Series(one.labels, [None if value is None else apply(value) for value in one.values]) for one in inner.series
    ]
    return Found(inner.type, mapped, inner.ranked)


def _aggregated(aggregate: Callable[[list[float]], float], series: Series) -> Value:
    values = [value for value in series.values if value is not None]
    return float(aggregate(values)) if values else None


def _literal(tree: Function, position: int) -> int:
    argument = tree.arguments[position] if position < len(tree.arguments) else None
    if not isinstance(argument, Number):
        raise ExpressionError(f"{tree.name}: argument {position + 1} is not a number")
    return int(min(argument.value, MOST_RANKED))


def _top(asked: Asked, tree: Function, span: Span) -> Found:
    """`top_n(metric, most, des)`; attributes such as `attr0='K8S_SERVICE'` name the layer, and there is one."""
    name = tree.arguments[0] if tree.arguments else None
    order = tree.arguments[2] if len(tree.arguments) > 2 else MetricName("des")
    if (
        not isinstance(name, MetricName)
        or not isinstance(order, MetricName)
        or order.name.lower() not in ("asc", "des")
    ):
        raise ExpressionError("top_n needs a metric, a number, and asc or des")
    metric = known_metric(name.name)
    try:
        ranked = asked.top(metric, _literal(tree, 1), order.name.lower() == "asc", span)
    except ValueError as error:
        raise ExpressionError(str(error)) from error
    return Found("SORTED_LIST", [Series((), [float(line.value) for line in ranked])], ranked)


def _results(found: Found, span: Span) -> Iterator[dict[str, Any]]:
    for series in found.series:
        metric = {"labels": [{"key": key, "value": value} for key, value in series.labels]}
        texts = [text(value) for value in series.values]
        if found.ranked is not None:
            values = [_ranked(line, value) for line, value in zip(found.ranked, texts, strict=True)]
        elif found.type == "SINGLE_VALUE":
            values = [{"id": None, "value": texts[0] if texts else None}]
        else:
            values = [
                {"id": str(start * 1000), "value": value} for start, value in zip(span.points, texts, strict=True)
            ]
        yield {"metric": metric, "values": values}


def _ranked(line: Ranked, value: str | None) -> dict[str, Any]:
    entity = line.entity
    owner: dict[str, Any] = {
        "scope": "Service",
        "serviceID": service_id(entity.service),
        "serviceName": entity.service,
        "normal": True,
    }
    if entity.instance is not None:
        owner |= {"scope": "ServiceInstance", "serviceInstanceID": member_id(entity.service, entity.instance)}
        owner["serviceInstanceName"] = entity.instance
    if entity.endpoint is not None:
        owner |= {"scope": "Endpoint", "endpointID": member_id(entity.service, entity.endpoint)}
        owner["endpointName"] = entity.endpoint
    return {"id": entity.instance or entity.endpoint or entity.service, "value": value, "owner": owner}


def text(value: Value) -> str | None:
    """A value as the protocol writes it: decimal, at most three places."""
    if value is None or not math.isfinite(value):
        return None
    short = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short
