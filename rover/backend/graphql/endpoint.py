"""`POST /graphql`: a request is bounded in bytes, tokens, depth, fields and time, and answered in a query thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response

from rover.backend.graphql.asked import Asked
from rover.backend.graphql.resolvers import Resolvers
from rover.backend.graphql.schema import SCHEMA
from rover.backend.metrics import Metrics
from rover.backend.options import BackendOptions
from rover.backend.store import Store

log = logging.getLogger(__name__)

BODY_BYTES = 512 << 10
TOKENS = 30_000
"""Twenty entities with ten expressions each, as the user interface asks in one request, need about 12 000."""
DEPTH = 15
FIELDS = 10_000
"""Most fields, fragments counted at each place where they are spread."""
ERRORS = 20


class Query(msgspec.Struct):
    """The body of a request."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")


class GraphQL:
    """The handler. Errors are told as the protocol has it: HTTP 200 with `errors`, 400 for a body that is no query."""

    def __init__(self, store: Store, options: BackendOptions, executor: Executor) -> None:
        self._metrics = Metrics(store)
        self._executor = executor
        self._schema = build_schema(SCHEMA)
        assert self._schema.query_type is not None
        for name, resolve in Resolvers(options).table().items():
            self._schema.query_type.fields[name].resolve = _resolver(resolve)

    async def post(self, request: Request) -> Response:
        """Answer one request."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # Forms of other sites cannot send this type without being asked first.
            return _refused("the body has to be application/json", status=415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES:
                return _refused(f"the body is longer than {BODY_BYTES} bytes", status=413)
        try:
            query = msgspec.json.decode(body, type=Query)
        except (msgspec.DecodeError, RecursionError) as error:
            return _refused(f"the body is no GraphQL request: {error}")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._answer, query)

    def _answer(self, query: Query) -> Response:
        try:
            document = parse(query.query, no_location=True, max_tokens=TOKENS)
            _check_size(document)
            errors = validate(self._schema, document, max_errors=ERRORS)
        except GraphQLError as error:
            return _refused(error.message)
        except RecursionError:
            return _refused("the query is nested too deeply")
        if errors:
            return _refused(*(error.message for error in errors))
        result = execute_sync(
            self._schema,
            document,
            context_value=Asked(self._metrics),
            variable_values=query.variables,
            operation_name=query.operation_name,
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_told(error) for error in result.errors[:ERRORS]]
        return Response(msgspec.json.encode(answer), media_type="application/json")


def _resolver(resolve: Callable[..., Any]) -> Callable[..., Any]:
    def answer(_: Any, info: GraphQLResolveInfo[Asked], **arguments: Any) -> Any:
        return resolve(info.context, **arguments)

    return answer


def _told(error: GraphQLError) -> dict[str, Any]:
    cause = error.original_error
    if cause is None or isinstance(cause, ValueError | TimeoutError | GraphQLError):
        message = error.message
    else:
        log.error("graphql=failed path=%r error=%r", error.path, cause)
        message = "rover has failed here; its log says how"
    return {"message": message, "path": error.path}


def _refused(*messages: str, status: int = 400) -> Response:
    answer = {"errors": [{"message": message} for message in messages]}
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def _check_size(document: DocumentNode) -> None:
    """Raises GraphQLError for a query of too many fields, too deep ones, or fragments that go round."""
    fragments = {
        node.name.value: node.selection_set for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    fields = 0
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            fields += _count(node.selection_set, fragments, 1, FIELDS - fields)


def _count(selections: SelectionSetNode, fragments: Mapping[str, SelectionSetNode], depth: int, left: int) -> int:
    if depth > DEPTH:
        raise GraphQLError(f"the query is nested deeper than {DEPTH}")
    fields = 0
    for node in selections.selections:
        fields += isinstance(node, FieldNode)
        inner = _inner(node, fragments)
        if inner is not None:
            fields += _count(inner, fragments, depth + 1, left - fields)
        if fields > left:
            raise GraphQLError(f"the query has more than {FIELDS} fields")
    return fields


def _inner(node: Node, fragments: Mapping[str, SelectionSetNode]) -> SelectionSetNode | None:
    if isinstance(node, FragmentSpreadNode):
        return fragments.get(node.name.value)
    return getattr(node, "selection_set", None)
