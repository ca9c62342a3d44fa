"""Who is behind an address of the cluster: services by theirs, pods by the endpoint slices that list them, nodes.

Holds the least that can name an address, for a cluster of tens of thousands of pods: a pod that no service leads to is
not known here. What changes is handed on at once; a pod that is about to end gives its address up, so that whoever gets
it next is never called by the old name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from sys import intern

from rover.kube import objects

Address = tuple[str, int]
"""An address, and a port; 0: any port."""

_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has an address."""

    service: str | None
    namespace: str | None
    pod: str | None = None
    node: str | None = None


Change = tuple[str, int, Holder | None]
"""Address, port, and who has it now."""


class Addresses:
    """Sink of services, slices and nodes."""

    def __init__(self, tell: Callable[[Sequence[Change]], None]) -> None:
        """`tell` takes what changed."""
        self._tell = tell
        self._held: dict[str, tuple[Address, ...]] = {}  # by uid of the object that says so
        self._by_address: dict[Address, tuple[tuple[str, Holder], ...]] = {}
        self._told: dict[Address, Holder] = {}
        self._node_addresses: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_address)

    def put_service(self, found: objects.Service) -> None:
        """A service's own addresses."""
        meta, spec = found.metadata, found.spec
        balancer = found.status.loadBalancer if found.status else None
        addresses = [*(spec.clusterIPs or ()), *(spec.externalIPs or ())]
        addresses += [ingress.ip for ingress in (balancer.ingress if balancer else None) or ()]
        holder = Holder(intern(meta.name), intern(meta.namespace))
        self._replace(meta.uid, {(address, 0): holder for address in addresses if address not in ("", "None")})

    def put_slice(self, found: objects.EndpointSlice) -> None:
        """Addresses of pods behind a service."""
        meta = found.metadata
        service = (meta.labels or {}).get(_SERVICE_LABEL)
        if service is None:
            self._replace(meta.uid, {})
            return
        ports = [port.port for port in found.ports or () if port.port and port.protocol in (None, "TCP")]
        held: dict[Address, Holder] = {}
        for end in found.endpoints or ():
            if end.conditions is not None and end.conditions.terminating:
                continue
            pod = end.targetRef.name if end.targetRef and end.targetRef.kind == "Pod" else None
            node = intern(end.nodeName) if end.nodeName else None
            holder = Holder(intern(service), intern(meta.namespace), pod, node)
            for address in end.addresses:
                # On the host's network many pods share an address: only with the port it is one's own.
                is_shared = address in self._node_addresses
                held.update({(address, port): holder for port in (ports if is_shared else [0])})
        self._replace(meta.uid, held)

    def put_node(self, found: objects.Node) -> None:
        """A node's addresses, of whoever is on the host's network there."""
        name = intern(found.metadata.name)
        addresses = [each.address for each in found.status.addresses or () if each.type in ("InternalIP", "ExternalIP")]
        with self._lock:
            self._node_addresses.update(addresses)
        self._replace(found.metadata.uid, {(address, 0): Holder(None, None, None, name) for address in addresses})

    def remove(self, uid: str) -> None:
        """The object that said so is gone."""
        self._replace(uid, {})

    def kept(self, uids: Iterable[str]) -> set[str]:
        """Those of these that are kept."""
        return {uid for uid in uids if uid in self._held}

    def _replace(self, uid: str, held: dict[Address, Holder]) -> None:
        with self._lock:
            touched = dict.fromkeys([*self._held.get(uid, ()), *held])
            if held:
                self._held[uid] = tuple(held)
            else:
                self._held.pop(uid, None)
            changes: list[Change] = []
            for key in touched:
                others = tuple(entry for entry in self._by_address.get(key, ()) if entry[0] != uid)
                entries = (*others, (uid, held[key])) if key in held else others
                if entries:
                    self._by_address[key] = entries
                else:
                    self._by_address.pop(key, None)
                now = min((holder for _, holder in entries), key=_rank, default=None)
                if now != self._told.get(key):
                    changes.append((*key, now))
                    if now is None:
                        del self._told[key]
                    else:
                        self._told[key] = now
            if changes:
                self._tell(changes)


def _rank(holder: Holder) -> tuple[bool, bool, str, str]:
    """A pod is more than a service, a service more than a node; else by name: one answer, whatever came first."""
    return holder.pod is None, holder.service is None, holder.namespace or "", holder.service or ""
