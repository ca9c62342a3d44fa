"""What is known of who a process is. Values only; who finds them out stands in the other modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rover.identity.place import HOST, Place


@dataclass(frozen=True, slots=True)
class Container:
    """A container, as its runtime describes it."""

    id: str
    name: str | None = None
    runtime: str | None = None
    image: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this node, with what stands behind and before it."""

    uid: str
    namespace: str
    name: str
    node: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    workload: str | None = None
    workload_kind: str | None = None
    services: tuple[str, ...] = ()
    """Names of the services that lead to it, the one that names it first."""
    containers: Mapping[str, Container] = field(default_factory=dict)
    """By id, as the kubelet reports them."""


@dataclass(frozen=True, slots=True)
class Who:
    """Everything that is known of a process beyond its own facts."""

    place: Place = HOST
    container: Container | None = None
    pod: Pod | None = None
    is_final: bool = True
    """Whether nothing more is to come: who could be asked has answered, or there is nobody."""


NOBODY = Who()
"""A process on the host, in no unit."""
