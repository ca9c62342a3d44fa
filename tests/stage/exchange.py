"""What truly happened, as a server's log or the test's own script tells it, in the terms of a record."""

from dataclasses import dataclass, fields, replace
from typing import Any

from .rover import Record


class _Any:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "any"


ANY: Any = _Any()
"""Stands where the judge does not know; None, in contrast, means that the record must say null."""


@dataclass(frozen=True)
class Call:
    """What gRPC says of an exchange; messages in both directions, None where they cannot be counted."""

    service: Any
    method: Any
    status: Any
    request_messages: Any = None
    response_messages: Any = None


@dataclass(frozen=True)
class Exchange:
    """One HTTP exchange, each field either the truth or `ANY`."""

    method: Any
    path: Any
    status: Any
    request_body: Any = 0
    response_body: Any = 0
    request_bytes: Any = ANY
    response_bytes: Any = ANY
    protocol: Any = "HTTP/1.1"
    kind: Any = "http"
    interim: Any = ()
    flags: Any = frozenset()
    connection: Any = ANY
    """Port of the client's end."""
    number: Any = ANY
    """1, 2, … within the connection."""
    stream: Any = ANY
    grpc: Any = None
    """A `Call`."""

    def __str__(self) -> str:
        told = ((name, getattr(self, name)) for name in FIELDS[1:])
        return f"{self.method} " + " ".join(f"{name}={value!r}" for name, value in told if value is not ANY)

    def on(self, connection: int) -> "Exchange":
        """The same exchange on the connection whose client has this port."""
        return replace(self, connection=connection)

    def flagged(self, *flags: str) -> "Exchange":
        """The same exchange, of which the record must carry exactly these flags."""
        return replace(self, flags=frozenset(flags))


FIELDS = tuple(each.name for each in fields(Exchange))


def told_by(record: Record) -> Exchange:
    """The same terms read from a record."""
    client = record["remote"] if record["side"] == "server" else record["local"]
    return Exchange(
        method=record["method"],
        path=record["path"],
        status=record["status"],
        request_body=record["request"]["body_bytes"],
        response_body=record["response"]["body_bytes"],
        request_bytes=record["request"]["bytes"],
        response_bytes=record["response"]["bytes"],
        protocol=record["protocol"],
        kind=record["kind"],
        interim=tuple(record["interim"]),
        flags=frozenset(record["flags"]),
        connection=client["port"],
        number=record["connection"]["exchange"],
        stream=record["connection"]["stream"],
        grpc=record["grpc"] and Call(**record["grpc"]),
    )
