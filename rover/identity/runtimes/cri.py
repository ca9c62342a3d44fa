"""The kubelet's way to ask a runtime, for CRI-O. Source: cri-api/pkg/apis/runtime/v1/api.proto of Kubernetes."""

from __future__ import annotations

from pathlib import Path

from rover.identity.names import Container
from rover.identity.runtimes.grpc_call import Caller
from rover.identity.runtimes.protobuf import fields_of, map_of, text_field

_LIST = "/runtime.v1.RuntimeService/ListContainers"
_FILTER, _FILTER_ID, _CONTAINERS = 1, 1, 1
_METADATA, _METADATA_NAME, _IMAGE, _IMAGE_NAME, _IMAGE_STATED, _LABELS = 3, 1, 4, 1, 18, 8


class Cri:
    """A runtime that speaks CRI behind one socket."""

    def __init__(self, path: Path, name: str = "cri-o") -> None:
        self.name = name
        self._caller = Caller(path)

    def maybe_container(self, container_id: str) -> Container | None:
        """The container; None if the runtime does not have it. Raises OSError."""
        answer = self._caller.maybe_call(_LIST, text_field(_FILTER, text_field(_FILTER_ID, container_id))) or b""
        try:
            found = [raw for number, raw in fields_of(answer) if number == _CONTAINERS]
            return self._container(container_id, found[0]) if found else None
        except ValueError as error:
            raise OSError(f"{self.name}: an answer that is no container: {error}") from error

    def close(self) -> None:
        """Close the channel."""
        self._caller.close()

    def _container(self, container_id: str, message: bytes) -> Container:
        fields = list(fields_of(message))
        known = dict(fields)
        image = dict(fields_of(known.get(_IMAGE, b"")))
        name = dict(fields_of(known.get(_METADATA, b""))).get(_METADATA_NAME, b"")
        stated = image.get(_IMAGE_STATED) or image.get(_IMAGE_NAME) or b""
        return Container(
            container_id, name.decode() or None, self.name, stated.decode() or None, map_of(fields, _LABELS)
        )
