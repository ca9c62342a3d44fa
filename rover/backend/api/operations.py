"""The table of all operations. The routes and the OpenAPI page are both made from it, so they cannot differ."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rover.backend.api import figures, topology
from rover.backend.api.errors import RequestError
from rover.backend.api.live import Follower, Tail
from rover.backend.api.node import NodeView
from rover.backend.api.parameters import (
    ExchangesQuery,
    FilterQuery,
    NoQuery,
    SeriesQuery,
    SpanQuery,
    TopologyQuery,
    bad,
    filter_of,
    parse,
    span_of,
)
from rover.backend.api.record import Record
from rover.backend.api.shapes import Endpoints, Exchanges, Ledger, Node, Partner, Services
from rover.backend.api.traffic_shapes import Instances, Series, Topology
from rover.backend.store import Page, Store
from rover.backend.store.short import NAME_LENGTH

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Operation:
    """One GET operation."""

    path: str
    """As Starlette writes it."""
    name: str
    summary: str
    query: type[Struct]
    answer: Any
    handler: Handler
    media_type: str = JSON
    description: str = ""
    path_parameters: dict[str, str] = field(default_factory=dict)
    """Name to JSON-schema pattern, "" for none."""


class Operations:
    """What each operation does. Queries run in the executor's threads, so that none holds up the event loop."""

    def __init__(self, store: Store, node: NodeView, tail: Tail, executor: Executor) -> None:
        self._store = store
        self._node = node
        self._tail = tail
        self._executor = executor

    def table(self) -> list[Operation]:
        """All operations; a more special path stands before a more general one."""
        return [
            Operation("/api/services", "services", "Services and their figures", SpanQuery, Services, self.services),
            Operation(
                "/api/services/{name:path}/endpoints",
                "endpoints",
                "Endpoints of a service and their figures",
                SpanQuery,
                Endpoints,
                self.endpoints,
                path_parameters={"name": ""},
            ),
            Operation(
                "/api/services/{name:path}/instances",
                "instances",
                "Instances of a service and their figures",
                SpanQuery,
                Instances,
                self.instances,
                path_parameters={"name": ""},
            ),
            Operation(
                "/api/services/{name:path}/series",
                "series",
                "A service, or one of its endpoints, over time",
                SeriesQuery,
                Series,
                self.series,
                path_parameters={"name": ""},
            ),
            Operation(
                "/api/topology",
                "topology",
                "Services, addresses, and who calls whom",
                TopologyQuery,
                Topology,
                self.topology,
            ),
            Operation(
                "/api/exchanges", "exchanges", "Exchanges, newest first", ExchangesQuery, Exchanges, self.exchanges
            ),
            Operation(
                "/api/exchanges/stream",
                "exchangesStream",
                "Exchanges as they are stored",
                FilterQuery,
                str,
                self.stream,
                media_type=EVENTS,
                description='Server-sent events. `exchange`: a Record as JSON. `skipped`: `{"count": n}` records were '
                "more\nthan this client could take. An exchange comes again when it was unfinished and is complete.",
            ),
            Operation(
                "/api/exchanges/{id}",
                "exchange",
                "One exchange",
                NoQuery,
                Record,
                self.exchange,
                path_parameters={"id": "^[0-9a-f]{32}$"},
            ),
            Operation(
                "/api/exchanges/{id}/partner",
                "partner",
                "The other end's record of an exchange",
                NoQuery,
                Partner,
                self.partner,
                description="Of the same two addresses turned round, at the same time. Their order in time: a record "
                "whose id has the\nsame digits 17 to 24 was timed by the same clock (`start_ns`).",
                path_parameters={"id": "^[0-9a-f]{32}$"},
            ),
            Operation("/api/node", "node", "Completeness, hooks and cost of this node", NoQuery, Node, self.node),
            Operation("/api/ledger", "ledger", "What became of every captured event", NoQuery, Ledger, self.ledger),
        ]

    async def services(self, request: Request) -> Response:
        """`GET /api/services`."""
        query = parse(request, SpanQuery)
        span = span_of(query.from_, query.to)
        return _json(await self._ask(lambda: figures.services(self._store, *span)))

    async def endpoints(self, request: Request) -> Response:
        """`GET /api/services/{name}/endpoints`."""
        query = parse(request, SpanQuery)
        span = span_of(query.from_, query.to)
        name = _name(request)
        return _json(await self._ask(lambda: figures.endpoints(self._store, name, *span)))

    async def instances(self, request: Request) -> Response:
        """`GET /api/services/{name}/instances`."""
        query = parse(request, SpanQuery)
        span = span_of(query.from_, query.to)
        name = _name(request)
        return _json(await self._ask(lambda: topology.instances(self._store, name, *span)))

    async def series(self, request: Request) -> Response:
        """`GET /api/services/{name}/series`."""
        query = parse(request, SeriesQuery)
        span = span_of(query.from_, query.to)
        name = _name(request)
        return _json(await self._ask(lambda: topology.series(self._store, name, query.endpoint, *span)))

    async def topology(self, request: Request) -> Response:
        """`GET /api/topology`."""
        query = parse(request, TopologyQuery)
        span = span_of(query.from_, query.to)
        found = await self._ask(lambda: topology.topology(self._store, *span, query.around))
        return Response(found, media_type=JSON)

    async def exchanges(self, request: Request) -> Response:
        """`GET /api/exchanges`."""
        query = parse(request, ExchangesQuery)
        from_ns, to_ns = span_of(query.from_, query.to)
        wanted = filter_of(query)

        def look() -> tuple[Page, float | None]:
            position = {"before": query.before, "after": query.after}
            page = self._store.exchanges(wanted, from_ns, to_ns, **position, limit=query.limit)
            return page, self._store.sampled_one_in(from_ns, to_ns)

        # Records are JSON already; what a page costs is reading them.
        page, sampled = await self._ask(look)
        ends = b'],"next":' + msgspec.json.encode(page.next) + b',"sampled_one_in":' + msgspec.json.encode(sampled)
        body = b'{"exchanges":[' + b",".join(page.records) + ends + b"}"
        return Response(body, media_type=JSON)

    async def exchange(self, request: Request) -> Response:
        """`GET /api/exchanges/{id}`."""
        row_id = _row_id(request)
        record = await self._ask(lambda: self._store.exchange(row_id))
        if record is None:
            raise _not_stored()
        return Response(record, media_type=JSON)

    async def partner(self, request: Request) -> Response:
        """`GET /api/exchanges/{id}/partner`."""
        row_id = _row_id(request)
        is_stored, found = await self._ask(lambda: self._store.partner(row_id))
        if not is_stored:
            raise _not_stored()
        return Response(b'{"partner":' + (found or b"null") + b"}", media_type=JSON)

    async def stream(self, request: Request) -> Response:
        """`GET /api/exchanges/stream`."""
        follower = self._tail.follow(filter_of(parse(request, FilterQuery)))
        if follower is None:
            raise RequestError(503, "too_many_clients", "too many clients follow the live list")
        return EventStream(self._tail, follower)

    async def node(self, request: Request) -> Response:
        """`GET /api/node`."""
        parse(request, NoQuery)
        return _json(await self._ask(self._node.node))

    async def ledger(self, request: Request) -> Response:
        """`GET /api/ledger`."""
        parse(request, NoQuery)
        return _json(await self._ask(self._node.ledger))

    async def _ask(self, question: Callable[[], T]) -> T:
        return await ask(self._executor, question)


class EventStream(StreamingResponse):
    """A response that lasts as long as its client stays."""

    def __init__(self, tail: Tail, follower: Follower) -> None:
        super().__init__(follower.events(), media_type=EVENTS)
        self._tail = tail
        self._follower = follower

    async def __call__(self, *arguments: Any) -> None:
        """Serve; leaves the tail however it ends."""
        try:
            await super().__call__(*arguments)
        finally:
            self._tail.leave(self._follower)


async def ask(executor: Executor, question: Callable[[], T]) -> T:
    """What a question to the store finds, in one of the executor's threads. Raises RequestError 503 or 504."""
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, question)
    except TimeoutError as error:
        raise RequestError(504, "query_timeout", f"{error}: narrow the time range or the filter") from error
    except OSError as error:
        raise RequestError(503, "store_unreadable", str(error)) from error


def _name(request: Request) -> str:
    """The service in the path. Raises RequestError 400."""
    name: str = request.path_params["name"]
    if len(name) > NAME_LENGTH:
        raise bad(f"name: longer than {NAME_LENGTH}")
    return name


def _row_id(request: Request) -> str:
    """The id in the path of a request that has no parameters. Raises RequestError 400."""
    parse(request, NoQuery)
    row_id: str = request.path_params["id"]
    if len(row_id) != 32 or not set(row_id) <= set("0123456789abcdef"):
        raise bad("id: not 32 hexadecimal digits")
    return row_id


def _not_stored() -> RequestError:
    return RequestError(404, "not_found", "no such exchange is stored: it may be too old, or not written yet")


def _json(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)
