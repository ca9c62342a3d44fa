"""How paths become endpoints: OpenAPI files, what is learned, and what a restart keeps (docs/endpoints.md)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from rover.backend import BackendError, BackendOptions, Store, open_store
from rover.backend.openapi_files import read_apis
from tests.backend.rows import record, row_of


def endpoints(store: Store) -> set[str]:
    """Names of all endpoints that have figures."""
    sql = "SELECT name FROM entity WHERE kind = 3"
    return {name for (name,) in store.ask(lambda connection: connection.execute(sql).fetchall())}


def send(store: Store, paths: list[str], **fields: Any) -> None:
    now_ns = time.time_ns()
    rows = [row_of(record(now_ns + at, at, path=path, **fields)) for at, path in enumerate(paths)]
    assert store.put(rows) == len(rows)
    assert store.flush()


def test_many_names_become_one_endpoint_also_after_a_restart(tmp_path: Path) -> None:
    """The raw path stays on the exchange; calls that fail teach nothing."""
    options = BackendOptions(tmp_path / "rover.db", learn_after=10)
    store = open_store(options)
    send(store, [f"/try-{n}" for n in range(50)], status=404)
    assert len(endpoints(store)) == 50
    send(store, [f"/users/{name}/cart" for n in range(30) for name in ("me", f"u-{n}")])
    store.close()
    store = open_store(options)
    before = endpoints(store)
    assert {"GET:/users/{any}/cart", "GET:/users/me/cart"} < before
    send(store, ["/users/eve/cart", "/users/me/cart", "/users/7/cart"])
    assert endpoints(store) - before == {"GET:/users/{id}/cart"}
    sql = "SELECT count(*) FROM exchange WHERE path = '/users/eve/cart'"
    assert store.ask(lambda connection: connection.execute(sql).fetchone()[0]) == 1
    store.close()


def test_hostile_paths_share_one_endpoint_and_are_counted(tmp_path: Path) -> None:
    """Nothing is learned here, so that the bound itself is seen: 500 in an hour, all others are `(other)`."""
    store = open_store(BackendOptions(tmp_path / "rover.db", learn_after=0))
    hostile = [f"/{'../' * (n % 7)}{n}x'; DROP TABLE entity; --<b>\0\u202e" for n in range(600)]
    send(store, hostile)
    assert len(endpoints(store)) == 501
    assert "(other)" in endpoints(store)
    assert store.facts().overflowed == 100
    store.close()


def test_an_openapi_file_names_the_endpoints_of_its_service(tmp_path: Path) -> None:
    """With the path of its server before them, and only of services that it is for."""
    file = tmp_path / "cart.yaml"
    file.write_text(
        "openapi: 3.1.0\nservers: [{url: 'https://example.com/v1/'}]\n"
        "paths:\n  /users/{name}: {get: {}}\n  /users/me: {}\n  x-note: {}\n"
    )
    store = open_store(BackendOptions(tmp_path / "rover.db", openapi_files=(f"ca*={file}",)))
    send(store, ["/v1/users/anna", "/v1/users/me", "/users/anna"])
    send(store, ["/v1/users/eve"], service="search")
    assert endpoints(store) == {
        "GET:/v1/users/{name}",
        "GET:/v1/users/me",
        "GET:/users/anna",
        "GET:/v1/users/eve",
    }
    store.close()


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"swagger": "2.0", "basePath": "/v2", "paths": {"/a": {}}}, ["/v2/a"]),
        ({"servers": [{"url": "/x"}, {"url": "https://h/y"}], "paths": {"/a": {}}}, ["/x/a", "/y/a"]),
        ({"servers": [{"url": "{scheme}://h"}], "paths": {"/a/{b}": {}}}, ["/a/{b}"]),
        ({"paths": {}}, []),
    ],
)
def test_the_path_of_a_server_stands_before_its_paths(tmp_path: Path, document: Any, paths: list[str]) -> None:
    """OpenAPI 3.1 §4.8.5, Swagger 2.0 `basePath`."""
    file = tmp_path / "api.json"
    file.write_text(json.dumps(document))
    assert read_apis([str(file)]) == [{"service": "*", "paths": paths}]


@pytest.mark.parametrize("text", ["", "[1]", "{", "a: [", "paths: 7", "paths: {/a: {}}\nservers: [{url: 'http://[x'}]"])
def test_a_file_that_is_no_openapi_document_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    """At the start, with the key and the file."""
    file = tmp_path / "api.yaml"
    file.write_text(text)
    with pytest.raises(BackendError) as caught:
        open_store(BackendOptions(tmp_path / "rover.db", openapi_files=(str(file),)))
    assert caught.value.key == "backend.endpoints.openapi"
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_path_of_a_file_and_a_missing_file_are_told(tmp_path: Path) -> None:
    """The database is free again afterwards."""
    file = tmp_path / "api.yaml"
    file.write_text("paths: {'/a/{b': {}}")
    for entry in (str(file), str(tmp_path / "none.yaml")):
        with pytest.raises(BackendError) as caught:
            open_store(BackendOptions(tmp_path / "rover.db", openapi_files=(entry,)))
        assert caught.value.key == "backend.endpoints.openapi"
        assert str(caught.value).count(entry) == 1
    open_store(BackendOptions(tmp_path / "rover.db")).close()
