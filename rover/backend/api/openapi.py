"""The OpenAPI 3.1 document, made from the table of operations."""

from __future__ import annotations

import re
from concurrent.futures import Executor
from typing import Any, cast

import msgspec

from rover.backend.api.errors import ErrorAnswer
from rover.backend.api.live import Tail
from rover.backend.api.node import NodeView
from rover.backend.api.operations import EVENTS, Operation, Operations
from rover.backend.store import Store

Json = dict[str, Any]

API_VERSION = "1"
"""Rises with a change that a client would notice as a break."""

_REFERENCE = "#/components/schemas/{name}"
_ERRORS = {
    "400": "A parameter cannot be used",
    "404": "Not stored",
    "503": "The store cannot be read, or too many clients",
    "504": "The query took too long",
}


def document(operations: list[Operation], version: str) -> Json:
    """The document of these operations."""
    answers = [operation.answer for operation in operations]
    queries = [operation.query for operation in operations]
    schemas, components = msgspec.json.schema_components([*answers, *queries, ErrorAnswer], ref_template=_REFERENCE)
    paths = {}
    for operation, answer in zip(operations, schemas, strict=False):
        paths[re.sub(r":\w+}", "}", operation.path)] = {"get": _get(operation, answer, components)}
    for query in {query.__name__ for query in queries}:
        del components[query]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rover",
            "version": version,
            "description": "Every HTTP exchange of a node. Times in ns, sizes in bytes; null is what was not measured.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Needed beyond loopback only"}
            },
        },
    }


def table() -> list[Operation]:
    """The table without anything behind it: for describing, not for serving."""
    nothing = cast(Any, None)
    return Operations(cast(Store, nothing), cast(NodeView, nothing), Tail(), cast(Executor, nothing)).table()


def render(found: Json) -> str:
    """The document as text, the same for the same table."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _get(operation: Operation, answer: Json, components: Json) -> Json:
    query = components[operation.query.__name__]
    content = {operation.media_type: {"schema": {"type": "string"} if operation.media_type == EVENTS else answer}}
    described = {"operationId": operation.name, "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    return {
        **described,
        "parameters": [
            *(_path_parameter(name, pattern) for name, pattern in operation.path_parameters.items()),
            *(_query_parameter(name, schema) for name, schema in query["properties"].items()),
        ],
        "responses": {
            "200": {"description": operation.summary, "content": content},
            **{status: _error(text) for status, text in _ERRORS.items()},
        },
    }


def _path_parameter(name: str, pattern: str) -> Json:
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(name: str, schema: Json) -> Json:
    """A parameter that is left out is absent, never the word null."""
    inner = dict(schema)
    choices = [choice for choice in inner.pop("anyOf", []) if choice != {"type": "null"}]
    if choices:
        inner.pop("default", None)
        inner |= choices[0]
    described = {"description": inner.pop("description")} if "description" in inner else {}
    return {"name": name, "in": "query", "required": False, **described, "schema": inner}


def _error(text: str) -> Json:
    schema = {"$ref": _REFERENCE.format(name=ErrorAnswer.__name__)}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
