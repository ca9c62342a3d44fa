"""containerd's own API: has the containers of its CRI plugin and those that docker, nerdctl or ctr made, each kind in a
namespace of its own. Source: api/services/containers/v1/containers.proto of containerd."""

from __future__ import annotations

from pathlib import Path

from rover.identity.names import Container
from rover.identity.runtimes.grpc_call import Caller
from rover.identity.runtimes.protobuf import fields_of, map_of, text_field

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
        try:
            for namespace in ("k8s.io", *self._namespaces()):
                metadata = (("containerd-namespace", namespace),)
                answer = self._caller.maybe_call(_GET, text_field(1, container_id), metadata)
                if answer is not None:
                    return _container(container_id, dict(fields_of(answer)).get(1, b""))
        except ValueError as error:
            raise OSError(f"containerd: an answer that is no container: {error}") from error
        return None

    def close(self) -> None:
        """Close the channel."""
        self._caller.close()

    def _namespaces(self) -> list[str]:
        answer = self._caller.maybe_call(_NAMESPACES, b"") or b""
        names = [dict(fields_of(raw)).get(1, b"").decode() for number, raw in fields_of(answer) if number == 1]
        return [name for name in names if name != "k8s.io"]


def _container(container_id: str, message: bytes) -> Container:
    fields = list(fields_of(message))
    labels, image = map_of(fields, 2), dict(fields).get(3, b"").decode()
    name = next((labels[label] for label in _NAME_LABELS if labels.get(label)), None)
    if labels.get("io.cri-containerd.kind") == "sandbox":
        name = "POD"  # as docker and the kubelet call the one that holds the pod's namespaces
    return Container(container_id, name, "containerd", image or None, labels)
