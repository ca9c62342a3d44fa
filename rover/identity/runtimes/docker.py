"""Docker's API over its socket, which podman speaks too: one GET per container."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from rover.identity.names import Container

_TIMEOUT_S = 2.0
_MOST_BYTES = 4 << 20
"""Of one answer: an inspected container has some 10 KiB, more with many mounts."""


class Docker:
    """Docker, or podman's service in its words."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path

    def maybe_container(self, container_id: str) -> Container | None:
        """The container; None if it is not docker's. Raises OSError."""
        connection = _UnixConnection(self._path)
        try:
            connection.request("GET", f"/containers/{container_id}/json")
            answer = connection.getresponse()
            raw = answer.read(_MOST_BYTES)
        except http.client.HTTPException as error:
            raise OSError(f"{self._path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise OSError(f"{self._path}: answered {answer.status}")
        try:
            return self._container(container_id, json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"{self._path}: an answer that is no container: {error!r}") from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _container(self, container_id: str, found: dict[str, Any]) -> Container:
        config = found.get("Config") or {}
        return Container(
            id=container_id,
            name=found["Name"].removeprefix("/") or None,
            runtime=self.name,
            image=config.get("Image") or None,
            labels=dict(config.get("Labels") or {}),
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))
