"""Unary gRPC calls to a runtime's socket, with bytes for messages: a question is a field or two, and of the answer some
few are read (`messages.py`), so no generated classes are needed."""

from __future__ import annotations

from pathlib import Path

import grpc

_TIMEOUT_S = 2.0
_OPTIONS = (
    # A socket of this machine is not behind a proxy, whatever the environment says.
    ("grpc.enable_http_proxy", 0),
    ("grpc.default_authority", "localhost"),
)


class Caller:
    """A channel to one socket, opened at the first call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._channel = grpc.insecure_channel(f"unix:{path}", options=_OPTIONS)

    def maybe_call(self, method: str, request: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> bytes | None:
        """The answer; None if what was asked for is not there. Raises OSError for any other failure."""
        call = self._channel.unary_unary(method)
        try:
            answer: bytes = call(request, timeout=_TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise OSError(f"{self._path}: {error.code().name}: {error.details()}") from error
        return answer

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
