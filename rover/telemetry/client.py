"""Asks the daemon of this machine over its local socket."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from rover.telemetry.status import SOCKET

_ANSWER_S = 15.0


class NoDaemonError(Exception):
    """Nobody answers. `str()` is one line for a person."""


class _LocalConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(folder: Path) -> dict[str, Any]:
    """The status of the daemon whose lock and socket are in `folder`. Raises NoDaemonError."""
    path = folder / SOCKET
    connection = _LocalConnection(path)
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise NoDaemonError(f"{path}: the daemon answered {answer.status} {body.decode(errors='replace').strip()}")
        status: dict[str, Any] = json.loads(body)
        return status
    except PermissionError as error:
        raise NoDaemonError(f"{path}: only root may ask the daemon") from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoDaemonError(
            f"no daemon runs here: nobody answers at {path}; `rover daemon` or `rover up` starts one"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoDaemonError(f"{path}: the daemon gives no answer: {error}") from error
    finally:
        connection.close()
