"""Names of services, from templates like `{service}.{namespace}`. Pure: facts in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rover.identity.names import Who

_PLACE = re.compile(r"\{([^{}]*)\}")


def maybe_service(templates: Iterable[str], who: Who, executable: str | None) -> str | None:
    """The name by the first template of which every part is known; `executable` is a name without its folder."""
    for template in templates:
        name = maybe_filled(template, who, executable)
        if name:
            return name
    return None


def maybe_filled(template: str, who: Who, executable: str | None) -> str | None:
    """The template with its parts filled in; None if one of them is not known."""
    known = [_maybe_part(word, who, executable) for word in _PLACE.findall(template)]
    if not all(known):
        return None
    parts = iter(known)
    return _PLACE.sub(lambda _: next(parts) or "", template)


def _maybe_part(word: str, who: Who, executable: str | None) -> str | None:
    pod, container = who.pod, who.container
    kind, _, key = word.partition(":")
    if kind == "label" and key:
        stated = pod.labels.get(key) if pod else None
        return stated or (container.labels.get(key) if container else None)
    if kind == "annotation" and key:
        return pod.annotations.get(key) if pod else None
    if word == "unit":
        return who.place.unit.removesuffix(".service") if who.place.unit else None
    if word == "executable":
        return executable
    if word in ("container", "image"):
        return (container.name if word == "container" else container.image) if container else None
    if pod is None:
        return None
    if word == "service":
        return pod.services[0] if pod.services else None
    return {"workload": pod.workload, "namespace": pod.namespace, "pod": pod.name, "node": pod.node}.get(word)
