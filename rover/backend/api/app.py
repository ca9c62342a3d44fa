"""The ASGI application: operations, OpenAPI page and files behind the guard."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from rover.backend.api.errors import RequestError, error_response
from rover.backend.api.exposition import Exposition, Requests
from rover.backend.api.guard import GRAPHQL, Guard
from rover.backend.api.live import Tail
from rover.backend.api.node import NodeView
from rover.backend.api.openapi import API_VERSION, document, render
from rover.backend.api.operations import JSON, Operations, ask
from rover.backend.api.page import PageFiles, built_page
from rover.backend.graphql import GraphQL
from rover.backend.options import BackendOptions, NodeFacts
from rover.backend.store import Store
from rover.backend.store.readers import CONNECTIONS

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)


class Application:
    """ASGI application over one store. `close` ends what lasts: live tails and query threads."""

    def __init__(
        self,
        options: BackendOptions,
        store: Store,
        facts: Callable[[], NodeFacts],
        token: str | None,
        page: Path | None = None,
    ) -> None:
        self._tail = Tail()
        self._executor = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="query")
        node = NodeView(options, store, facts)
        table = Operations(store, node, self._tail, self._executor).table()
        openapi = render(document(table, API_VERSION)).encode()

        async def describe(_: Request) -> Response:
            return Response(openapi, media_type=JSON)

        requests, refused = Requests(), Counter[str]()
        told = Exposition(options, store, facts, requests, refused, lambda: self._tail.clients)

        async def expose(_: Request) -> Response:
            return Response(await ask(self._executor, told.text), media_type=PROMETHEUS)

        graphql = requests.counted("graphql", GraphQL(store, options, self._executor).post)
        routes = [Route(operation.path, requests.counted(operation.name, operation.handler)) for operation in table]
        routes.append(Route("/openapi.json", describe))
        routes.append(Route("/metrics", requests.counted("metrics", expose)))
        routes.append(Route(GRAPHQL, graphql, methods=["POST"]))
        starlette = Starlette(
            routes=[*routes, Mount("/api", _nothing), Mount("/", PageFiles(page or built_page()))],
            exception_handlers={RequestError: _refuse, HTTPException: _refuse_http, Exception: _fail},
        )
        self._app = Guard(starlette, token, refused)
        store.listen(self._tail.publish)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            # Starlette has answered 500 and raises once more, for a server that would print the traceback.
            log.debug("http=failed", exc_info=error)

    def close(self) -> None:
        """End live tails and refuse new ones. Queries that run are bounded by the store's time limit."""
        self._tail.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(404, "not_found", "the API has no such path")(scope, receive, send)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error.status, error.code, str(error))


async def _refuse_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "refused"
    return error_response(error.status_code, code, error.detail)


async def _fail(request: Request, error: Exception) -> Response:
    log.error("http=failed path=%r error=%r", request.url.path[:80], error)
    return error_response(500, "internal", "rover has failed here; its log says how")
