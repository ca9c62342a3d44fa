"""Brings together what the cgroup, the container runtimes and the Kubernetes API know of a process.

Answers at once with what is known so far; what was asked and is not here yet arrives later and is told as a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rover.identity.names import Container, Pod, Who
from rover.identity.place import Place


class Runtimes(Protocol):
    """Who knows containers."""

    def ask(self, container_id: str, runtime: str | None) -> tuple[Container | None, bool]:
        """The container if known, and whether the answer is final."""

    def take_changes(self) -> Iterable[str]:
        """Ids of containers that became known since the last call."""


class Cluster(Protocol):
    """Who knows pods."""

    def ask(self, pod_uid: str) -> tuple[Pod | None, bool]:
        """The pod if known, and whether the answer is final."""

    def take_changes(self) -> Iterable[str]:
        """Uids of pods of this node that changed since the last call."""


class Directory:
    """Answers who a process is by its place."""

    def __init__(self, runtimes: Runtimes | None = None, cluster: Cluster | None = None) -> None:
        self._runtimes = runtimes
        self._cluster = cluster

    def who(self, place: Place) -> Who:
        """What is known now. Not final while a runtime or the Kubernetes API may still tell more."""
        if place.container_id is None:
            return Who(place)
        pod, is_final = None, True
        if self._cluster is not None and place.pod_uid is not None:
            pod, is_final = self._cluster.ask(place.pod_uid)
        container = pod.containers.get(place.container_id) if pod else None
        # The API knows no labels of containers; only without it are they worth a question.
        if container is None and self._runtimes is not None:
            container, is_answered = self._runtimes.ask(place.container_id, place.runtime)
            is_final = is_final and is_answered
        if container is None:
            container = Container(place.container_id, runtime=place.runtime)
        if pod is None:
            pod = _maybe_pod(container, place)
        return Who(place, container, pod, is_final)

    def take_changes(self) -> frozenset[str]:
        """Container ids and pod uids of which more is known than at the last call."""
        found: set[str] = set()
        for source in (self._runtimes, self._cluster):
            if source is not None:
                found.update(source.take_changes())
        return frozenset(found)


def _maybe_pod(container: Container, place: Place) -> Pod | None:
    """What the kubelet wrote on the container itself: enough to name a pod where the API is out of reach."""
    labels = container.labels
    namespace, name = labels.get("io.kubernetes.pod.namespace"), labels.get("io.kubernetes.pod.name")
    if not namespace or not name:
        return None
    return Pod(place.pod_uid or labels.get("io.kubernetes.pod.uid", ""), namespace, name)
