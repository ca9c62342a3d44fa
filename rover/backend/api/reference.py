"""docs/api.md, made from the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rover.backend.api.openapi import Json

INTRODUCTION = """\
# The HTTP API of the backend

<!-- Written by `python -m rover.backend.describe markdown`; a test fails when it is stale. -->

`rover up` and `rover backend` serve it beside the web page, on 127.0.0.1:8080 unless `backend.http.address` says
otherwise. The same as an OpenAPI 3.1 document: `/openapi.json`.

    curl -s 'http://127.0.0.1:8080/api/exchanges?status=5xx&slower=200ms&limit=10'

- All operations are `GET` and answer JSON. Times are nanoseconds, sizes bytes; `null` was not measured, never is it 0.
- Parameters have limits; one that is unknown, repeated or out of its limits is an error, not a guess.
- Every error has the shape `{"error": {"code": "bad_parameter", "message": "from is later than to"}}`.
- A query that takes more than three seconds is given up with 504: narrow the time range or the filter.
- Figures count server-side records that are complete. A call succeeded if it got a response with a status below 500.
  Percentiles are exact to 1 %. They are kept per minute, so a span is widened to whole minutes.
- Of each service and hour the first 500 endpoints have figures of their own; the rest are counted together
  (`is_other`). Likewise the first 500 services; the rest are the service `(other)`.
- Pages: pass `next` as `before` to go on to older records. A search that finds little is answered after a tenth of a
  second with what it has, so a page with a `next` may be short, or empty. Records sort by when their exchange began,
  but are stored when it ends, so new ones can appear below the first: to follow what comes, use the stream.

## Who may ask

On loopback everybody on the machine; requests whose `Host` is not a name of loopback are refused (421), which keeps web
pages of others out. Beyond loopback `backend.http.token_file` must name a file whose first line is a token of at least
16 characters, and each request needs it: `Authorization: Bearer TOKEN`. A browser asks for it by itself: any name, the
token as the password. With `backend.http.tls` all of it is HTTPS. `/metrics`, for Prometheus, is behind the same
token ([operations](operations.md)).
"""


def reference(found: Json) -> str:
    """The page."""
    parts = [INTRODUCTION, "## Operations\n"]
    for path, methods in found["paths"].items():
        parts.append(_operation(path, methods["get"]))
    parts.append("## Shapes\n")
    parts.append("A field with `?` may be absent.\n")
    for name, schema in found["components"]["schemas"].items():
        parts.append(_shape(name, schema))
    return "\n".join(parts)


def _operation(path: str, operation: Json) -> str:
    content = operation["responses"]["200"]["content"]
    media_type, body = next(iter(content.items()))
    answer = "an event stream" if media_type == "text/event-stream" else _type(body["schema"])
    lines = [f"### GET {path}\n", f"{operation['summary']}. Answers {answer}."]
    if "description" in operation:
        lines.append(operation["description"])
    if operation["parameters"]:
        lines += ["", "| Parameter | Type | Meaning |", "|---|---|---|"]
        for parameter in operation["parameters"]:
            schema = parameter["schema"]
            default = f" Default: {schema['default']}." if "default" in schema else ""
            meaning = parameter.get("description", "")
            lines.append(f"| `{parameter['name']}` | {_type(schema)} | {meaning}{'.' if meaning else ''}{default} |")
    return "\n".join(lines) + "\n"


def _shape(name: str, schema: Json) -> str:
    required = set(schema.get("required", []))
    lines = [f"### {name}\n", schema.get("description", ""), "", "| Field | Type | Meaning |", "|---|---|---|"]
    for field, described in schema["properties"].items():
        mark = "" if field in required else "?"
        lines.append(f"| `{field}`{mark} | {_type(described)} | {described.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _type(schema: Json) -> str:
    """A JSON schema in a word or two."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return _array(schema)
    if kind == "object" and "additionalProperties" in schema:
        return f"object of {_type(schema['additionalProperties'])}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS if key in schema]
    return f"{kind} ({', '.join(limits)})" if limits else str(kind)


_LIMITS = (("minimum", "from"), ("maximum", "to"), ("maxLength", "up to length"))


def _array(schema: Json) -> str:
    if schema.get("prefixItems"):
        return f"array of ({', '.join(_type(item) for item in schema['prefixItems'])})"
    items: Any = schema.get("items")
    return f"array of {_type(items)}" if items else "array"
