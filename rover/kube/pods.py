"""The pods of this node: who made them, which services lead to them, which containers they have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from sys import intern

from rover.identity import Container, Pod
from rover.kube import objects

_LONGEST_ANNOTATION = 256
"""Longer ones are documents (what was applied last), which no rule compares."""
_STATIC = "kubernetes.io/config.hash"
"""Of a pod from a file on the node: what its cgroup has in place of the uid."""
_RUNTIMES = {"containerd": "containerd", "cri-o": "cri-o", "docker": "docker"}

Owner = tuple[str, str]
"""Kind and name."""


class Pods:
    """Sink of the pods of this node, and of all services: a service's selector says whom it leads to."""

    def __init__(self, owner_of: Callable[[str, str, str], Owner | None]) -> None:
        """`owner_of`: who made the ReplicaSet or Job of this kind, namespace and name; None if it stands alone."""
        self._owner_of = owner_of
        self._owners: dict[tuple[str, str, str], Owner | None] = {}
        self._pods: dict[str, Pod] = {}
        self._aliases: dict[str, str] = {}
        self._selectors: dict[str, dict[str, tuple[str, bool, dict[str, str]]]] = {}
        self._service_namespaces: dict[str, str] = {}
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self.is_synced = False
        self.are_services_synced = False

    def ask(self, uid: str) -> tuple[Pod | None, bool]:
        """The pod of a uid, or of a static pod's hash, and whether the answer is final."""
        with self._lock:
            pod = self._pods.get(self._aliases.get(uid, uid))
            # One that is not known may be on its way: the kubelet starts containers before their status is told.
            return pod, pod is not None and self.are_services_synced

    def take_changes(self) -> frozenset[str]:
        """Uids and hashes of pods that changed since the last call."""
        with self._lock:
            changed, self._changed = self._changed, set()
            changed.update(alias for alias, uid in self._aliases.items() if uid in changed)
        return frozenset(changed)

    def put(self, found: objects.Pod) -> None:
        """A pod as it is now."""
        meta, annotations = found.metadata, found.metadata.annotations or {}
        workload = self._workload(meta)
        with self._lock:
            pod = Pod(
                uid=meta.uid,
                namespace=intern(meta.namespace),
                name=meta.name,
                node=intern(found.spec.nodeName) or None,
                labels={intern(key): intern(value) for key, value in (meta.labels or {}).items()},
                annotations={key: text for key, text in annotations.items() if len(text) <= _LONGEST_ANNOTATION},
                workload_kind=workload[0] if workload else None,
                workload=workload[1] if workload else None,
                services=self._services_of(meta.namespace, meta.labels or {}),
                containers={container.id: container for container in _containers(found.status)},
            )
            if _STATIC in annotations:
                self._aliases[annotations[_STATIC]] = meta.uid
            if self._pods.get(meta.uid) != pod:
                self._pods[meta.uid] = pod
                self._changed.add(meta.uid)

    def remove(self, uid: str) -> None:
        """A pod is gone. What was told of its processes stays."""
        with self._lock:
            self._pods.pop(uid, None)
            for alias in [alias for alias, known in self._aliases.items() if known == uid]:
                del self._aliases[alias]

    def uids(self) -> set[str]:
        """Pods that are kept."""
        return set(self._pods)

    def synced(self) -> None:
        """All pods of the node are here."""
        self.is_synced = True

    def put_service(self, found: objects.Service) -> None:
        """A service as it is now."""
        meta, selector = found.metadata, found.spec.selector
        is_headless = (found.spec.clusterIPs or ["None"])[0] in ("None", "")
        with self._lock:
            self._drop_service(meta.uid)
            if selector:
                namespace = intern(meta.namespace)
                wanted = {intern(key): intern(value) for key, value in selector.items()}
                self._selectors.setdefault(namespace, {})[meta.uid] = (meta.name, is_headless, wanted)
                self._service_namespaces[meta.uid] = namespace
            self._assign(meta.namespace)

    def remove_service(self, uid: str) -> None:
        """A service is gone."""
        with self._lock:
            namespace = self._service_namespaces.get(uid)
            self._drop_service(uid)
            if namespace is not None:
                self._assign(namespace)

    def services_synced(self) -> None:
        """All services are here: who waited for that may be told."""
        with self._lock:
            self.are_services_synced = True
            self._changed.update(self._pods)

    def _drop_service(self, uid: str) -> None:
        namespace = self._service_namespaces.pop(uid, None)
        if namespace is not None:
            self._selectors[namespace].pop(uid, None)
            if not self._selectors[namespace]:
                del self._selectors[namespace]

    def _assign(self, namespace: str) -> None:
        for uid, pod in self._pods.items():
            if pod.namespace == namespace:
                services = self._services_of(namespace, pod.labels)
                if services != pod.services:
                    self._pods[uid] = replace(pod, services=services)
                    self._changed.add(uid)

    def _services_of(self, namespace: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Those with an address of their own before headless ones, then by name: one answer, whatever came first."""
        leading = [
            (is_headless, name)
            for name, is_headless, wanted in self._selectors.get(namespace, {}).values()
            if all(labels.get(key) == value for key, value in wanted.items())
        ]
        return tuple(name for _, name in sorted(leading))

    def _workload(self, meta: objects.Meta) -> Owner | None:
        made_by = next((owner for owner in meta.ownerReferences or () if owner.controller), None)
        if made_by is None or made_by.kind == "Node":
            return None
        if made_by.kind not in ("ReplicaSet", "Job"):
            return intern(made_by.kind), intern(made_by.name)
        key = (made_by.kind, meta.namespace, made_by.name)
        if key not in self._owners:
            in_use = {(pod.workload_kind or "", pod.namespace, pod.workload or "") for pod in self._pods.values()}
            if len(self._owners) > 4 * len(in_use) + 64:
                self._owners.clear()  # of pods that are long gone
            self._owners[key] = self._owner_of(*key)
        return self._owners[key] or (made_by.kind, made_by.name)


def _containers(status: objects.PodStatus) -> Iterable[Container]:
    lists = (status.containerStatuses, status.initContainerStatuses, status.ephemeralContainerStatuses)
    for found in (each for some in lists for each in some or ()):
        runtime, _, container_id = found.containerID.partition("://")
        if container_id:
            yield Container(container_id, found.name, _RUNTIMES.get(runtime), found.image or None)
