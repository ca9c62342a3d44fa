"""The few fields of Kubernetes objects that are used, as the API's JSON has them. Everything else is never made."""

from __future__ import annotations

from typing import Any

import msgspec


class OwnerReference(msgspec.Struct):
    """Who made an object."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Meta(msgspec.Struct):
    """Metadata of every object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None  # noqa: N815


class Object(msgspec.Struct):
    """Any object by its metadata alone."""

    metadata: Meta


class ContainerStatus(msgspec.Struct):
    """A container as the kubelet reports it."""

    name: str = ""
    image: str = ""
    containerID: str = ""  # noqa: N815


class PodSpec(msgspec.Struct):
    """Where a pod runs."""

    nodeName: str = ""  # noqa: N815
    hostNetwork: bool = False  # noqa: N815


class PodStatus(msgspec.Struct):
    """What runs of it."""

    phase: str = ""
    containerStatuses: list[ContainerStatus] | None = None  # noqa: N815
    initContainerStatuses: list[ContainerStatus] | None = None  # noqa: N815
    ephemeralContainerStatuses: list[ContainerStatus] | None = None  # noqa: N815


class Pod(msgspec.Struct):
    """A pod."""

    metadata: Meta
    spec: PodSpec
    status: PodStatus


class ServiceSpec(msgspec.Struct):
    """What a service is reached by, and whom it leads to."""

    clusterIPs: list[str] | None = None  # noqa: N815
    externalIPs: list[str] | None = None  # noqa: N815
    selector: dict[str, str] | None = None


class Ingress(msgspec.Struct):
    """An address of a load balancer."""

    ip: str = ""


class LoadBalancer(msgspec.Struct):
    """Addresses of a load balancer."""

    ingress: list[Ingress] | None = None


class ServiceStatus(msgspec.Struct):
    """What a load balancer gave it."""

    loadBalancer: LoadBalancer | None = None  # noqa: N815


class Service(msgspec.Struct):
    """A service."""

    metadata: Meta
    spec: ServiceSpec
    status: ServiceStatus | None = None


class Conditions(msgspec.Struct):
    """State of an endpoint."""

    terminating: bool | None = None


class Target(msgspec.Struct):
    """The pod behind an endpoint."""

    kind: str = ""
    name: str = ""


class Endpoint(msgspec.Struct):
    """One place where a service is served."""

    addresses: list[str]
    conditions: Conditions | None = None
    targetRef: Target | None = None  # noqa: N815
    nodeName: str | None = None  # noqa: N815


class Port(msgspec.Struct):
    """A port of all endpoints of a slice."""

    port: int | None = None
    protocol: str | None = None


class EndpointSlice(msgspec.Struct):
    """Some endpoints of a service."""

    metadata: Meta
    endpoints: list[Endpoint] | None = None
    ports: list[Port] | None = None


class NodeAddress(msgspec.Struct):
    """One of a node's addresses."""

    type: str
    address: str


class NodeStatus(msgspec.Struct):
    """Its addresses."""

    addresses: list[NodeAddress] | None = None


class Node(msgspec.Struct):
    """A node."""

    metadata: Meta
    status: NodeStatus


class ListMeta(msgspec.Struct):
    """Where a list stands."""

    resourceVersion: str = ""  # noqa: N815
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """A page of a list; its items are read one by one."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class Event(msgspec.Struct):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct):
    """The object of an ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Reads one kind of object; fields that are not named above are passed over."""
    return msgspec.json.Decoder(kind, strict=False)
