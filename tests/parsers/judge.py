"""What `httptools` (llhttp, the parser of Node) makes of the same bytes."""

import re
from dataclasses import replace
from typing import Any

import httptools

from tests.parsers.observer import Message


class RefusedError(Exception):
    """The judge does not accept these bytes as HTTP/1."""


class _Protocol:
    """Callbacks of httptools, for one direction."""

    def __init__(self, kind: type) -> None:
        self.parser: Any = kind(self)
        self.messages: list[Message] = []
        self.is_open = False
        self._url = b""
        self._body_bytes = 0
        self._kept: list[str] = []

    def on_message_begin(self) -> None:
        self.is_open = True
        self._url = b""
        self._body_bytes = 0
        self._kept = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-kept":
            # llhttp leaves trailing whitespace, which is no part of the value (RFC 9110 §5.5).
            self._kept.append(value.strip(b" \t").decode("utf-8", "replace"))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        self.is_open = False
        is_response = isinstance(self.parser, httptools.HttpResponseParser)
        if is_response:
            start: tuple[str, ...] = (str(self.parser.get_status_code()),)
        else:
            start = (self.parser.get_method().decode(), self._url.decode("utf-8", "replace"))
        is_interim = is_response and self.parser.get_status_code() // 100 == 1
        keep_alive = is_interim or self.parser.should_keep_alive()
        kept = (("x-kept", self._kept[-1]),) if self._kept and not is_interim else ()
        self.messages.append(Message(start, self.parser.get_http_version(), self._body_bytes, keep_alive, kept))


def judge_requests(stream: bytes) -> list[Message]:
    """The requests of a stream. Raises `RefusedError` if not all of it is requests."""
    protocol = _Protocol(httptools.HttpRequestParser)
    _feed(protocol, stream)
    if protocol.is_open:
        raise RefusedError
    return [_with_path(message) for message in protocol.messages]


def judge_responses(stream: bytes) -> list[Message]:
    """The responses of a stream to requests other than HEAD and CONNECT; a body may last until the end."""
    protocol = _Protocol(httptools.HttpResponseParser)
    _feed(protocol, stream)
    return protocol.messages


def _feed(protocol: _Protocol, stream: bytes) -> None:
    try:
        protocol.parser.feed_data(stream)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        raise RefusedError from error
    if any(message.version not in ("1.0", "1.1") for message in protocol.messages):
        raise RefusedError


def _with_path(message: Message) -> Message:
    """The absolute-form reduced to what the observer tells as path and query."""
    method, target = message.start
    absolute = re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(?P<path>[^?]*)(?P<query>.*)", target)
    if absolute is None:
        return message
    path, query = absolute["path"], absolute["query"]
    return replace(message, start=(method, (path or ("*" if method == "OPTIONS" and not query else "/")) + query))
