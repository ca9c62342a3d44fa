"""Who a process is, in the words of a record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rover.config.tree import SERVICE_TEMPLATES
from rover.identity import Container, Pod, Who, maybe_service
from rover.processes.procfs import Process

_SHORT_ID = 12  # as docker and crictl shorten a container's id


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a process and, by another pid, of each child that runs the same program."""

    service: str | None
    head: str
    """The JSON object up to the value of its last member, `pid`."""

    def as_json(self, pid: int) -> str:
        """The identity object of a record."""
        return f"{self.head}{pid}}}"


def identify(process: Process, who: Who, node: str, templates: Sequence[str] = SERVICE_TEMPLATES) -> Identity:
    """Names a process by the first of the templates that can be filled in. Facts that are unknown are left out.

    The instance is the pod, else the container, else the node."""
    pod, container = who.pod, who.container
    executable = process.executable.rpartition("/")[2] if process.executable else process.comm
    # One that was gone before its cgroup was read may have been in a container: what it ran names no service.
    is_placed = process.maybe_place() is not None or not process.is_from_runtime
    service = maybe_service(templates, who, (executable or None) if is_placed else None)
    instance = pod.name if pod else (container.name or container.id[:_SHORT_ID]) if container else node
    stated = {
        "service": service,
        "instance": instance,
        "process": process.comm or None,
        "executable": process.executable,
        "container": _container(container) if container else None,
        "kubernetes": _kubernetes(pod, node) if pod else None,
        "unit": who.place.unit,
    }
    return Identity(service, json.dumps(_known(stated), ensure_ascii=False)[:-1] + ', "pid": ')


def _container(container: Container) -> dict[str, Any]:
    return _known({"id": container.id, "name": container.name, "runtime": container.runtime, "image": container.image})


def _kubernetes(pod: Pod, node: str) -> dict[str, Any]:
    return _known(
        {
            "namespace": pod.namespace,
            "pod": pod.name,
            "node": pod.node or node,
            "workload": pod.workload,
            "workload_kind": pod.workload_kind,
            "labels": dict(pod.labels) or None,
        }
    )


def _known(stated: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stated.items() if value is not None}
