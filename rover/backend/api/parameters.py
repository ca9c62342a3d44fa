"""Query parameters: one struct per operation gives the limits, the OpenAPI page and the parsed values.

Every text has a largest length and, where it is not data to compare with, a pattern; unknown and repeated names are
errors.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request

from rover.backend.api.errors import RequestError
from rover.backend.store import Filter
from rover.backend.store.short import NAME_LENGTH, PATH_LENGTH, plain

DEFAULT_SPAN_NS = 15 * 60 * 10**9
LONGEST_SPAN_NS = 366 * 86400 * 10**9
LAST_NS = (1 << 63) - 1
MOST_STATUSES = 8
_STATUS = "([1-9][0-9]{2}|[1-9]xx)"

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}

Time = Annotated[str, Meta(max_length=40, description="RFC 3339, or nanoseconds since 1970")]
From = Annotated[Time, Meta(extra_json_schema={"default": "15 minutes before `to`"})]
To = Annotated[Time, Meta(extra_json_schema={"default": "now"})]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="Id of a record")]


Service = Annotated[Name, Meta(description="Service of the observed process; `(unknown)`: processes without a name")]
Method = Annotated[Name, Meta(description="Exact, as sent")]
Path = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=PATH_LENGTH,
        description="Exact; `*` stands for any run of characters, `?` for one",
    ),
]
Status = Annotated[
    str,
    Meta(
        pattern=f"^{_STATUS}(,{_STATUS}){{0,{MOST_STATUSES - 1}}}$", description="`404`, `5xx`, or several with commas"
    ),
]
Slower = Annotated[str, Meta(max_length=24, description="At least this duration: `200ms`, `1.5s`, `300us`")]
Peer = Annotated[Name, Meta(description="Service at the other end, or its address; `(unknown)`: neither is known")]
Side = Annotated[Literal["server", "client"], Meta(description="Side of the observed process")]


class SpanQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A span of time."""

    from_: From | None = None
    to: To | None = None


class SeriesQuery(SpanQuery, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A span of time, and of what."""

    endpoint: Annotated[Name, Meta(description="`METHOD:path`; none: the whole service")] | None = None


class TopologyQuery(SpanQuery, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A span of time, and whom it is about."""

    around: Annotated[Name, Meta(description="Only this service and whom it has to do with")] | None = None


class FilterQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions on an exchange; all of them hold."""

    service: Service | None = None
    method: Method | None = None
    path: Path | None = None
    status: Status | None = None
    slower: Slower | None = None
    side: Side | None = None
    peer: Peer | None = None


class ExchangesQuery(FilterQuery, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Filters, span and position."""

    from_: From | None = None
    to: To | None = None
    before: Annotated[Id, Meta(description="Only records older than this one")] | None = None
    after: Annotated[Id, Meta(description="Only the records that follow this one")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


Q = TypeVar("Q", bound=Struct)


def parse(request: Request, shape: type[Q]) -> Q:
    """The request's query as `shape`. Raises RequestError 400."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in values:
            raise bad(f"{name[:40]} is given twice")
        values[name] = value
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise bad(_in_words(str(error))) from None


def span_of(from_: str | None, to: str | None, now_ns: int | None = None) -> tuple[int, int]:
    """Start (included) and end (excluded) in nanoseconds since 1970. Raises RequestError 400."""
    end_ns = moment_ns("to", to) if to is not None else (time.time_ns() if now_ns is None else now_ns) + 1
    start_ns = moment_ns("from", from_) if from_ is not None else max(0, end_ns - DEFAULT_SPAN_NS)
    if start_ns > end_ns:
        raise bad("from is later than to")
    if end_ns - start_ns > LONGEST_SPAN_NS:
        raise bad("from and to are more than 366 days apart")
    return start_ns, end_ns


def filter_of(query: FilterQuery) -> Filter:
    """The store's filter. Raises RequestError 400."""
    return Filter(
        service=plain(query.service, NAME_LENGTH),
        method=plain(query.method, NAME_LENGTH),
        path=plain(query.path, PATH_LENGTH),
        statuses=tuple(_status_range(part) for part in query.status.split(",")) if query.status else (),
        slower_ns=None if query.slower is None else duration_ns("slower", query.slower),
        side=query.side,
        peer=plain(query.peer, NAME_LENGTH),
    )


def moment_ns(name: str, text: str) -> int:
    """Nanoseconds since 1970 of RFC 3339 or of a number. Raises RequestError 400."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LAST_NS:
        return int(text)
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        date, clock, fraction, zone = match.groups()
        zone = "+00:00" if zone in "Zz" else zone
        moment = datetime.fromisoformat(f"{date}T{clock}{zone}")
        found = int((moment - _EPOCH).total_seconds()) * 10**9 + int((fraction or "0").ljust(9, "0"))
        if not 0 <= found <= LAST_NS:
            raise ValueError(text)
    except ValueError:
        example = "2026-01-31T09:30:00Z"
        raise bad(f"{name} is neither a time such as {example} nor nanoseconds since 1970") from None
    return found


def duration_ns(name: str, text: str) -> int:
    """Nanoseconds of `200ms`, `1.5s`, …. Raises RequestError 400."""
    match = _DURATION.fullmatch(text.replace("μ", "µ"))
    if match is None:
        raise bad(f"{name} is no duration such as 200ms, 1.5s or 300us")
    return min(LAST_NS, int(Decimal(match[1]) * _UNIT_NS[match[2]]))


def bad(message: str) -> RequestError:
    """The error for a parameter that cannot be used."""
    return RequestError(400, "bad_parameter", message)


def _status_range(text: str) -> tuple[int, int]:
    if text.endswith("xx"):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    return int(text), int(text)


def _in_words(complaint: str) -> str:
    """A complaint of msgspec, beginning with the parameter: "Expected `int` <= 500 - at `$.limit`"."""
    what, separator, where = complaint.rpartition(" - at `$.")
    if not separator:
        return complaint
    return f"{where.rstrip('`')}: {what[:1].lower()}{what[1:]}"
