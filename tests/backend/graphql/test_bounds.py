"""What hostile queries get: an answer in one line, and nothing for the others to notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from rover.backend import Backend, BackendOptions, open_store

DEEP = '{ __type(name: "Query") { ' + "ofType { " * 40 + "name" + " }" * 42
ROUND = "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }"
MANY = "{ " + " ".join(f"a{n}: version" for n in range(20_000)) + " }"
BOMB = (
    "query { ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} ...f{n + 1} }}" for n in range(13))
    + " fragment f13 on Query { version }"
)


@pytest.mark.parametrize("query", [DEEP, ROUND, MANY, BOMB, "{", "", "{ nothing }", "mutation { drop }", "{" * 10_000])
def test_a_query_beyond_the_bounds_is_refused(quiet: httpx.Client, query: str) -> None:
    """At once, in the form of errors."""
    answer = quiet.post("/graphql", json={"query": query})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
    assert answer.elapsed.total_seconds() < 5
    assert "version" in quiet.post("/graphql", json={"query": "{ version }"}).json()["data"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"query": 7}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b" " * 600_000, "application/json", 413),
        (b'{"query": "{ version }"}', "text/plain", 415),
        (b"query=%7Bversion%7D", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_is_no_query_is_refused(quiet: httpx.Client, body: bytes, kind: str, status: int) -> None:
    """A form of another site's page is none."""
    answer = quiet.post("/graphql", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        ({"start": "2026-01-01 0000", "end": "2025-01-01 0000", "step": "MINUTE"}, "before it starts"),
        ({"start": "2020-01-01 0000", "end": "2026-01-01 0000", "step": "MINUTE"}, "more than"),
        ({"start": "today", "end": "2026-01-01", "step": "DAY"}, "form of its step"),
        ({"start": "2026-01-01", "end": "2026-01-01", "step": "SECOND"}, "MINUTE, HOUR or DAY"),
        ({"start": "0001-01-01", "end": "0001-01-02", "step": "DAY"}, ""),
    ],
)
def test_a_wrong_duration_is_told(quiet: httpx.Client, duration: dict[str, Any], told: str) -> None:
    """And the other fields of the request are answered."""
    query = "query ($d: Duration!) { version getGlobalTopology(duration: $d) { nodes { id } } }"
    answer = quiet.post("/graphql", json={"query": query, "variables": {"d": duration}}).json()
    assert answer["data"]["version"]
    if told:
        assert told in answer["errors"][0]["message"]


@pytest.mark.parametrize("row_id", ["", "x", "!!.1", "Y2FydA==.7", "Y2FydA==", "' OR 1=1 --.1"])
def test_a_wrong_id_is_told(quiet: httpx.Client, row_id: str) -> None:
    """No id of a service."""
    query = 'query ($s: ID!) { findEndpoint(serviceId: $s, keyword: "", limit: 5) { name } }'
    answer = quiet.post("/graphql", json={"query": query, "variables": {"s": row_id}}).json()
    assert "errors" in answer, json.dumps(answer)


def test_get_is_no_query_and_post_is_for_this_path_alone(quiet: httpx.Client) -> None:
    """The rest of the API reads by GET."""
    assert quiet.get("/graphql", params={"query": "{version}"}).headers["content-type"].startswith("text/html")
    assert quiet.post("/api/services", json={}).status_code == 405


def test_the_token_is_asked_for(tmp_path: Path, page: Path) -> None:
    """As for the rest of the API."""
    token = "0123456789abcdef-token"
    (tmp_path / "token").write_text(token)
    options = BackendOptions(tmp_path / "rover.db", http_address="127.0.0.1:0", http_token_file=tmp_path / "token")
    backend = Backend(options, open_store(options), dict, page)
    try:
        with httpx.Client(base_url=backend.start()) as client:
            query = {"query": "{ version }"}
            assert client.post("/graphql", json=query).status_code == 401
            answer = client.post("/graphql", json=query, headers={"Authorization": f"Bearer {token}"})
            assert answer.json()["data"]["version"]
    finally:
        backend.stop()
