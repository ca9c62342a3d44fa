"""Answers of GraphQL against what the messages say; whoever gives the answers."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .rules import Metric, metrics
from .truth import Entity, Truth

Ask = Callable[..., dict[str, Any]]

EXPRESSIONS = 100
"""Of one question."""


def is_same(_metric: Metric, expected: Any, got: Any) -> bool:
    """Digit for digit."""
    return bool(got == expected)


def duration(found: Truth) -> dict[str, str]:
    """All minutes of the messages, and one more on either side."""
    ends = (min(found.minutes) - 1, max(found.minutes) + 1)
    start, end = (time.strftime("%Y-%m-%d %H%M", time.gmtime(minute * 60)) for minute in ends)
    return {"start": start, "end": end, "step": "MINUTE"}


def entity_of(metric: Metric, entity: Entity) -> dict[str, Any]:
    """As a query names it."""
    names = {
        "K8SService": ("serviceName",),
        "K8SServiceInstance": ("serviceName", "serviceInstanceName"),
        "K8SEndpoint": ("serviceName", "endpointName"),
        "K8SServiceRelation": ("serviceName", "destServiceName"),
        "K8SServiceInstanceRelation": (
            *("serviceName", "serviceInstanceName"),
            *("destServiceName", "destServiceInstanceName"),
        ),
    }[metric.source]
    found: dict[str, Any] = dict(zip(names, entity, strict=True)) | {"normal": True}
    return found | ({"destNormal": True} if "destServiceName" in found else {})


def answers(ask: Ask, found: Truth, wanted: list[tuple[Metric, Entity]]) -> Iterator[dict[int, Any]]:
    """By minute, of each metric and entity."""
    for start in range(0, len(wanted), EXPRESSIONS):
        part = wanted[start : start + EXPRESSIONS]
        variables = {f"e{number}": entity_of(*one) for number, one in enumerate(part)}
        query = "".join(
            f'm{number}:execExpression(expression:"{metric.name}",entity:$e{number},duration:$d)'
            "{error results{metric{labels{key value}} values{id value}}}"
            for number, (metric, _) in enumerate(part)
        )
        kinds = "".join(f",${name}:Entity!" for name in variables)
        data = ask(f"query($d:Duration!{kinds}){{{query}}}", d=duration(found), **variables)
        for number, (metric, _) in enumerate(part):
            yield read(metric, data[f"m{number}"])


def read(metric: Metric, answer: dict[str, Any]) -> dict[int, Any]:
    """Values by minute; those of percentiles by their share."""
    assert not answer["error"], (metric.name, answer["error"])
    found: dict[int, Any] = {}
    for result in answer["results"]:
        labels = {label["key"]: label["value"] for label in result["metric"]["labels"]}
        for point in result["values"]:
            if point["value"] is not None:
                minute, value = int(point["id"]) // 60_000, int(float(point["value"]))
                if "p" in labels:
                    found.setdefault(minute, {})[labels["p"]] = value
                else:
                    found[minute] = value
    return found


def differences(
    ask: Ask,
    found: Truth,
    is_right: Callable[[Metric, Any, Any], bool] = is_same,
    of: Iterable[Metric] = tuple(metrics()),
) -> tuple[list[str], int]:
    """Every metric of every entity that is not what the messages say, and how many values were compared."""
    wanted = [(metric, entity) for metric in of for entity in found.entities(metric.source)]
    wrong, compared = [], 0
    for (metric, entity), answer in zip(wanted, answers(ask, found, wanted), strict=True):
        for minute in found.minutes:
            expected, got = found.value(metric, entity, minute), answer.get(minute)
            compared += 1
            if not is_right(metric, expected, got):
                wrong.append(f"{metric.name} {entity} minute {minute}: {expected} expected, {got} told")
    return wrong, compared
