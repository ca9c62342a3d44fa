"""The backend's HTTP API as the command line uses it: one JSON answer, or a stream of events."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import click

_ANSWER_S = 30.0
_SILENCE_S = 60.0
"""A stream is silent no longer than this: the backend sends a comment every 15 s."""


class Client:
    """Asks one backend. All failures become ClickException: one line for a person."""

    def __init__(self, base_url: str, token: str | None, cert_file: Path | None = None) -> None:
        """`base_url`: http://HOST:PORT/ or https://. `cert_file`: what the backend shows, if it is known beforehand;
        otherwise its certificate has to be for HOST and of an authority that this system trusts."""
        if not base_url.startswith(("http://", "https://")):
            raise click.UsageError(f"--backend {base_url}: must begin with http:// or https://")
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._tls = _knowing(cert_file) if cert_file is not None else None

    def get(self, path: str, parameters: Mapping[str, object]) -> Any:
        """The JSON answer."""
        with self._open(path, parameters, _ANSWER_S) as answer:
            try:
                return json.load(answer)
            except (ValueError, OSError, HTTPException) as error:
                raise click.ClickException(f"{self._base_url}{path}: no JSON in the answer: {error}") from error

    def events(self, path: str, parameters: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Name and data of each server-sent event, until the backend ends the stream."""
        with self._open(path, parameters, _SILENCE_S) as answer:
            yield "open", ""
            name, data = "message", ""
            try:
                for raw in answer:
                    field, _, value = raw.decode().rstrip("\r\n").partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        data += value
                    elif not field and data:
                        yield name, data
                        name, data = "message", ""
            except (OSError, HTTPException) as error:
                raise click.ClickException(f"{self._base_url}: the stream broke: {error}") from error

    def _open(self, path: str, parameters: Mapping[str, object], timeout_s: float) -> HTTPResponse:
        given = {name: value for name, value in parameters.items() if value is not None}
        url = f"{self._base_url}{path}" + (f"?{urlencode(given)}" if given else "")
        request = Request(url)  # noqa: S310 (the scheme is checked above)
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            answer: HTTPResponse = urlopen(request, timeout=timeout_s, context=self._tls)  # noqa: S310
        except HTTPError as error:
            raise click.ClickException(f"{self._base_url}: {_told(error)}") from error
        except (URLError, OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            hint = "is a backend running? `rover up` starts one"
            raise click.ClickException(
                f"{self._base_url}: {getattr(reason, 'strerror', None) or reason}; {hint}"
            ) from error
        return answer


def _knowing(cert_file: Path) -> ssl.SSLContext:
    """Trusts that one certificate, whatever name it is for: it is our own backend that is asked."""
    try:
        context = ssl.create_default_context(cafile=cert_file)
    except (ssl.SSLError, OSError) as error:
        raise click.ClickException(f"{cert_file}: {getattr(error, 'strerror', None) or 'no certificate'}") from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def _told(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"answered {error.code} {error.reason}"
