"""The kubelet's way to ask a runtime, for CRI-O."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rover.identity.names import Container
from rover.identity.runtimes.grpc_call import Caller
from rover.identity.runtimes.messages import message, read

_LIST = "/runtime.v1.RuntimeService/ListContainers"


class Cri:
    """A runtime that speaks CRI behind one socket."""

    def __init__(self, path: Path, name: str = "cri-o") -> None:
        self.name = name
        self._caller = Caller(path)

    def maybe_container(self, container_id: str) -> Container | None:
        """The container; None if the runtime does not have it. Raises OSError."""
        request = message("ListContainersRequest", filter=message("CriFilter", id=container_id))
        answer = self._caller.maybe_call(_LIST, request.SerializeToString()) or b""
        try:
            found = read("ListContainersResponse", answer).containers
        except ValueError as error:
            raise OSError(f"{self.name}: an answer that is no container: {error}") from error
        return self._container(container_id, found[0]) if found else None

    def close(self) -> None:
        """Close the channel."""
        self._caller.close()

    def _container(self, container_id: str, found: Any) -> Container:
        image = found.image.user_specified_image or found.image.image
        return Container(container_id, found.metadata.name or None, self.name, image or None, dict(found.labels))
