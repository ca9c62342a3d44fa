"""A daemon that writes records to a file, for all tests of what it tells."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.cli.running import Running


def to_file(folder: Path) -> dict[str, str]:
    """Variables of a daemon that needs no backend."""
    return {
        "ROVER_REPORTERS_OAP_ADDRESSES": "",
        "ROVER_REPORTERS_FILE_PATH": str(folder / "records.json"),
        "ROVER_KUBERNETES_ENABLED": "off",
    }


def metrics_port(daemon: Running) -> int:
    """The port that its metrics got, as it tells."""
    found = re.search(r"metrics +http://[^ ]*:(\d+)/metrics", daemon.said)
    assert found, daemon.said
    return int(found[1])


def get(port: int, path: str, **headers: str) -> tuple[HTTPResponse, str]:
    """The answer and its body; who is slowed down comes again later, as its header asks."""
    while True:
        answer, body = get_once(port, path, **headers)
        if answer.status != 429:
            return answer, body
        time.sleep(float(answer.headers["Retry-After"]))


def get_once(port: int, path: str, **headers: str) -> tuple[HTTPResponse, str]:
    """The same, whatever it is."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that runs."""
    with Running("daemon", environment=to_file(tmp_path_factory.mktemp("daemon"))) as running:
        yield running
        code, _ = running.stop()
        assert code == 0, running.said
    ledger = json.loads(running.errors[-1])
    assert ledger["in_flight"] == 0, ledger


@pytest.fixture
def ask(daemon: Running) -> Callable[..., tuple[HTTPResponse, str]]:
    """Asks it."""
    port = metrics_port(daemon)
    return lambda path, **headers: get(port, path, **headers)
