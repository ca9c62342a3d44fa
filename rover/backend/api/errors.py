"""The one shape in which the API says that something went wrong."""

from __future__ import annotations

import msgspec
from starlette.responses import Response


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong: `code` for programs, `message` for people."""

    code: str
    message: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above."""

    error: ErrorDetail


class RequestError(Exception):
    """The request cannot be answered; becomes a JSON error of this status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as a response."""
    body = msgspec.json.encode(ErrorAnswer(ErrorDetail(code, message)))
    return Response(body, status, headers, media_type="application/json")
