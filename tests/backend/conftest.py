"""A real store in a fresh directory, a real server on loopback, a real HTTP client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rover.backend import Backend, BackendOptions, Row, Store, open_store

FACTS: dict[str, Any] = {
    "ledger": {"captured": 12, "reported": 9, "in_flight": 1, "not_http": 2},
    "tls": {
        "enabled": True,
        "reason": None,
        "libraries": [
            {
                "path": "/lib/libssl.so.3",
                "kind": "openssl",
                "version": "3.0.19",
                "linkage": "shared",
                "attached": True,
                "cost": "emulated",
                "reason": None,
            }
        ],
        "blind_windows": [
            {"pid": 7, "comm": "curl", "path": "/lib/libssl.so.3", "blind_ns": 9_000_000, "is_older": False}
        ],
        "covered": 3,
    },
    "hooks": [{"hook": "sock_send_length", "mode": "tracepoint", "attached": True, "feeds": "writes", "reason": None}],
    "cost": {"cpu_percent": 1.5, "rss_bytes": 1 << 20, "bpf_ns_per_exchange": 812.5},
    "watched_processes": 42,
}


@pytest.fixture
def options(tmp_path: Path) -> BackendOptions:
    """Options with a store of its own and a port that the kernel chooses."""
    return BackendOptions(store_path=tmp_path / "store" / "rover.db", http_address="127.0.0.1:0")


@pytest.fixture
def store(options: BackendOptions) -> Iterator[Store]:
    """An open, empty store."""
    opened = open_store(options)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the web build leaves it, with a link in it to a file beside it that nobody may see."""
    folder = tmp_path_factory.mktemp("web") / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>rover</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {};")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory, page: Path) -> Iterator[httpx.Client]:
    """A client of a backend whose store stays empty, shared by all tests that need no rows."""
    path = tmp_path_factory.mktemp("quiet") / "rover.db"
    options = BackendOptions(store_path=path, http_address="127.0.0.1:0")
    backend = Backend(options, open_store(options), lambda: FACTS, page)
    with httpx.Client(base_url=backend.start(), timeout=20) as opened:
        yield opened
    backend.stop()


@pytest.fixture
def client(options: BackendOptions, store: Store, page: Path) -> Iterator[httpx.Client]:
    """A client of a running backend over `store`."""
    backend = Backend(options, store, lambda: FACTS, page)
    with httpx.Client(base_url=backend.start(), timeout=20) as opened:
        yield opened
    backend.stop()


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Stores rows and returns when they can be read."""

    def put_rows(*rows: Row) -> None:
        assert store.put(rows) == len(rows)
        assert store.flush()

    return put_rows


def records(rows: list[Row]) -> list[dict[str, Any]]:
    """The records in rows."""
    return [json.loads(row[17]) for row in rows]
