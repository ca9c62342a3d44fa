"""containerd's own API: has the containers of its CRI plugin and those that docker, nerdctl or ctr made, each kind in a
namespace of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rover.identity.names import Container
from rover.identity.runtimes.grpc_call import Caller
from rover.identity.runtimes.messages import message, read

_GET = "/containerd.services.containers.v1.Containers/Get"
_NAMESPACES = "/containerd.services.namespaces.v1.Namespaces/List"
_NAME_LABELS = ("io.kubernetes.container.name", "nerdctl/name")


class Containerd:
    """containerd behind one socket."""

    name = "containerd"

    def __init__(self, path: Path) -> None:
        self._caller = Caller(path)

    def maybe_container(self, container_id: str) -> Container | None:
        """The container; None if containerd does not have it. Raises OSError."""
        request = message("GetContainerRequest", id=container_id)
        try:
            for namespace in ("k8s.io", *self._namespaces()):
                metadata = (("containerd-namespace", namespace),)
                answer = self._caller.maybe_call(_GET, request.SerializeToString(), metadata)
                if answer is not None:
                    return _container(container_id, read("GetContainerResponse", answer).container)
        except ValueError as error:
            raise OSError(f"containerd: an answer that is no container: {error}") from error
        return None

    def close(self) -> None:
        """Close the channel."""
        self._caller.close()

    def _namespaces(self) -> list[str]:
        answer = self._caller.maybe_call(_NAMESPACES, b"") or b""
        names = (each.name for each in read("ListNamespacesResponse", answer).namespaces)
        return [name for name in names if name != "k8s.io"]


def _container(container_id: str, found: Any) -> Container:
    labels = dict(found.labels)
    name = next((labels[label] for label in _NAME_LABELS if labels.get(label)), None)
    if labels.get("io.cri-containerd.kind") == "sandbox":
        name = "POD"  # as docker and the kubelet call the one that holds the pod's namespaces
    return Container(container_id, name, "containerd", found.image or None, labels)
