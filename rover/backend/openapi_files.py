"""The paths of OpenAPI documents (3.x, and Swagger 2.0), in YAML or JSON: what endpoints of a service are called.

Only `paths` and the path of the servers that they are below are read; a reference to another file is not followed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from rover._engine import MetricFolder
from rover.backend.options import BackendError

KEY = "backend.endpoints.openapi"
MOST_BYTES = 16 << 20
"""A longer file is no description of an API."""


def read_apis(entries: Sequence[str]) -> list[dict[str, Any]]:
    """Of entries `SERVICE=FILE` or `FILE`: `service` and `paths` of each. Raises BackendError: a file is not one."""
    apis = []
    for entry in entries:
        service, equals, file = entry.partition("=")
        path = Path(file if equals else entry)
        try:
            paths = list(_paths(_document(path)))
            # Looked at alone, so that whoever wrote a wrong path learns in which file.
            MetricFolder(json.dumps({"apis": [{"service": "*", "paths": paths}]}))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BackendError(KEY, f"{path}: {reason}") from error
        apis.append({"service": service if equals else "*", "paths": paths})
    return apis


def _document(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES >> 20} MiB")
    text = raw.decode(errors="replace")
    try:
        # Most large documents are JSON, which YAML's reader takes a minute for.
        found = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _LOADER)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError):
        raise ValueError("is neither YAML nor JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("paths"), dict):
        raise ValueError("has no paths: not an OpenAPI document")
    return found


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _paths(document: Mapping[str, Any]) -> Iterator[str]:
    for base in _bases(document):
        for path in document["paths"]:
            # `x-…` are extensions.
            if isinstance(path, str) and path.startswith("/"):
                yield base + path


def _bases(document: Mapping[str, Any]) -> list[str]:
    """What stands before every path, without a slash at its end."""
    urls: list[Any] = [document.get("basePath") or ""]
    servers = document.get("servers")
    if isinstance(servers, list) and servers:
        urls = [server.get("url") for server in servers if isinstance(server, dict)]
    try:
        found = {urlsplit(url).path.rstrip("/") for url in urls if isinstance(url, str)}
    except ValueError:
        raise ValueError("has a server whose URL is none") from None
    return sorted(base for base in found if not base or base.startswith("/")) or [""]
