"""The cluster as this node needs it: its own pods in full, of all others who is behind an address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rover.identity import Pod
from rover.kube import objects
from rover.kube.addresses import Addresses, Change
from rover.kube.api import Api, KubernetesError
from rover.kube.pods import Owner, Pods
from rover.kube.reflector import Reflector

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_OWNERS = {"ReplicaSet": ("/apis/apps/v1", "replicasets"), "Job": ("/apis/batch/v1", "jobs")}

log = logging.getLogger(__name__)


class Cluster:
    """Follows the API from start to stop."""

    def __init__(self, api: Api, node: str, tell: Callable[[Sequence[Change]], None]) -> None:
        """`node`: this node's name in the cluster; `tell` takes changes of addresses."""
        self._api = api
        self.pods = Pods(self._owner_of)
        self.addresses = Addresses(tell)
        on_node = [("fieldSelector", f"spec.nodeName={node}")]
        services, slices, nodes = _Services(self.pods, self.addresses), _Slices(self.addresses), _Nodes(self.addresses)
        self._services = Reflector(api, "/api/v1/services", objects.Service, services)
        of_nodes = Reflector(api, "/api/v1/nodes", objects.Node, nodes)
        # Which addresses many pods share is known from the nodes.
        path = "/apis/discovery.k8s.io/v1/endpointslices"
        self._slices = Reflector(api, path, objects.EndpointSlice, slices, after=of_nodes)
        of_pods = Reflector(api, "/api/v1/pods", objects.Pod, self.pods, on_node)
        self.reflectors = [of_pods, self._services, of_nodes, self._slices]

    @property
    def is_synced(self) -> bool:
        """Whether the names of addresses were all told once."""
        return self._services.has_listed.is_set() and self._slices.has_listed.is_set()

    def start(self) -> None:
        """Begin to list and watch."""
        for reflector in self.reflectors:
            reflector.start()

    def stop(self) -> None:
        """End all watches."""
        for reflector in self.reflectors:
            reflector.ask_to_stop()
        self._api.close()
        for reflector in self.reflectors:
            reflector.stop()

    def ask(self, pod_uid: str) -> tuple[Pod | None, bool]:
        """A pod of this node, and whether the answer is final."""
        return self.pods.ask(pod_uid)

    def take_changes(self) -> frozenset[str]:
        """Uids of pods of this node that changed since the last call."""
        return self.pods.take_changes()

    def _owner_of(self, kind: str, namespace: str, name: str) -> Owner | None:
        group, plural = _OWNERS[kind]
        try:
            raw = self._api.get(f"{group}/namespaces/{namespace}/{plural}/{name}", [], _METADATA)
            owners = objects.decoder(objects.Object).decode(raw).metadata.ownerReferences or ()
        except (KubernetesError, msgspec.MsgspecError) as error:
            log.warning("who made a workload is not known kind=%s name=%s error=%s", kind, name, error)
            # A Deployment calls its ReplicaSets by its own name and a hash.
            return ("Deployment", name.rpartition("-")[0] or name) if kind == "ReplicaSet" else None
        made_by = next((owner for owner in owners if owner.controller), None)
        return (made_by.kind, made_by.name) if made_by else None


class _Kept:
    """Sink of one kind of object, which knows what it was given."""

    def __init__(self) -> None:
        self._uids: set[str] = set()

    def put(self, found: Any) -> None:
        self._uids.add(found.metadata.uid)

    def remove(self, uid: str) -> None:
        self._uids.discard(uid)

    def uids(self) -> set[str]:
        return set(self._uids)

    def synced(self) -> None:
        pass


class _Services(_Kept):
    def __init__(self, pods: Pods, addresses: Addresses) -> None:
        super().__init__()
        self._pods, self._addresses = pods, addresses

    def put(self, found: objects.Service) -> None:
        super().put(found)
        self._pods.put_service(found)
        self._addresses.put_service(found)

    def remove(self, uid: str) -> None:
        super().remove(uid)
        self._pods.remove_service(uid)
        self._addresses.remove(uid)

    def synced(self) -> None:
        self._pods.services_synced()


class _Slices(_Kept):
    def __init__(self, addresses: Addresses) -> None:
        super().__init__()
        self._addresses = addresses

    def put(self, found: objects.EndpointSlice) -> None:
        super().put(found)
        self._addresses.put_slice(found)

    def remove(self, uid: str) -> None:
        super().remove(uid)
        self._addresses.remove(uid)


class _Nodes(_Slices):
    def put(self, found: objects.Node) -> None:  # type: ignore[override]
        _Kept.put(self, found)
        self._addresses.put_node(found)
