"""Where a process stands among containers, pods and units: read from its cgroup, without asking anybody.

Pure: the text of /proc/PID/cgroup in, names out. The container's id is the last 64 hex digits of a path, whichever
runtime and driver made it; nested containers (a cluster of nodes that are containers) have several, the innermost is
the process's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_CONTAINER = re.compile(r"(?:^|.*[-:])?([0-9a-f]{64})(?:\.scope)?", re.ASCII)
_POD = re.compile(r"(?:^|.*-)pod([0-9a-f]{8}([-_]?)[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12})", re.ASCII)
"""Of a pod from a file on the node (a static one) the uid is 32 digits without dashes."""

_RUNTIMES = (("cri-containerd", "containerd"), ("crio-", "cri-o"), ("docker", "docker"), ("libpod", "podman"))
"""What the runtimes put before the id, or above it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the cgroup of a process names."""

    container_id: str | None = None
    """64 hex digits."""
    runtime: str | None = None
    """containerd, cri-o, docker or podman; None where the path does not tell."""
    pod_uid: str | None = None
    unit: str | None = None
    """The systemd service, on the host or inside the container."""


HOST = Place()
"""Outside every container and unit."""


@lru_cache(512)  # processes of one container share their text
def place_of(cgroup: str) -> Place:
    """Reads the text of a /proc/PID/cgroup file.

    v2 has one line `0::PATH`, v1 one per hierarchy; on a hybrid host only some of them may name the container. Source:
    the systemd and cgroupfs drivers of containerd, CRI-O, docker, podman and of the kubelet."""
    unit: str | None = None
    for controllers, path in sorted(_paths(cgroup), key=_rank):
        parts = path.split("/")
        for number in range(len(parts) - 1, -1, -1):
            found = _maybe_container(parts[number])
            if found is not None:
                above = parts[: number + 1]
                return Place(found, _maybe_runtime(above), _maybe_pod(above), _maybe_unit(parts[number + 1 :]))
        if unit is None and controllers in ("", "name=systemd"):
            unit = _maybe_unit(parts)
    return Place(unit=unit) if unit else HOST


def _paths(cgroup: str) -> list[tuple[str, str]]:
    lines = ([*line.split(":", 2), "", ""] for line in cgroup.splitlines())
    return [(controllers, path) for _, controllers, path, *_ in lines if path]


def _rank(line: tuple[str, str]) -> int:
    return {"": 0, "name=systemd": 1}.get(line[0], 2)


def _maybe_container(part: str) -> str | None:
    found = _CONTAINER.fullmatch(part)
    # conmon is the runtime's own process beside the container.
    return found[1] if found and "conmon" not in part else None


def _maybe_runtime(parts: list[str]) -> str | None:
    for part in reversed(parts[-2:]):
        for mark, runtime in _RUNTIMES:
            if mark in part:
                return runtime
    return None


def _maybe_pod(parts: list[str]) -> str | None:
    for part in reversed(parts):
        found = _POD.match(part)
        if found:
            return found[1].replace("_", "-")
    return None


def _maybe_unit(parts: list[str]) -> str | None:
    """Of a user's own services the innermost counts; sessions, their scopes, and slices are none."""
    for part in reversed(parts):
        if part.endswith(".service") and not part.startswith("user@"):
            return part
    return None
