"""Programs that speak HTTP/2, and what they say they did."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stage.deadline import wait_until
from tests.stage.exchange import ANY, Call, Exchange
from tests.stage.ports import wait_listening

PROGRAMS = Path(__file__).parent / "programs"


@contextmanager
def running(command: list[Any], **more: Any) -> Iterator["subprocess.Popen[Any]"]:
    """A process that is ended at the end of the block."""
    process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, **more})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


class Logged:
    """A running server that writes a JSON object a line of what it did."""

    def __init__(self, port: int, log: Path, told_by: Callable[[dict[str, Any]], Exchange]) -> None:
        self.port = port
        self.log = log
        self._told_by = told_by

    def truth(self, count: int, seconds: float = 20.0) -> list[Exchange]:
        """What the log tells once it has `count` lines."""
        wait_until(lambda: self.log.read_bytes().count(b"\n") >= count, f"{count} lines in {self.log.name}", seconds)
        return [self._told_by(json.loads(line)) for line in self.log.read_text().splitlines()]


def told_by_grpc(line: dict[str, Any]) -> Exchange:
    """The call of one line; one without status was cancelled."""
    is_cancelled = line["status"] is None
    return Exchange(
        "POST",
        f"/test.Echo/{line['method']}",
        # grpc-core sends its head with the first message or the trailers, so a call that hangs has none.
        None if is_cancelled and not line["responses"] else 200,
        line["request_bytes"],
        ANY if is_cancelled else line["response_bytes"],
        protocol="HTTP/2",
        kind="grpc",
        connection=line["connection"],
        flags=frozenset({"reset", "no_response"}) if is_cancelled else frozenset(),
        grpc=Call(
            "test.Echo",
            line["method"],
            line["status"],
            line["requests"],
            None if is_cancelled and not line["responses"] else line["responses"],
        ),
    )


@pytest.fixture(scope="session")
def go_program(program: Callable[[str], str], build_folder: Path) -> Callable[[str], Path]:
    """Builds a program of programs/go by its folder's name; its modules come through Go's own client, by their sums."""

    def build(name: str) -> Path:
        binary = build_folder / f"go-{name}"
        if not binary.exists():
            command = [program("go"), "build", "-o", binary, f"./{name}"]
            subprocess.run(
                command, check=True, timeout=600, cwd=PROGRAMS / "go", env={**os.environ, "GO111MODULE": "on"}
            )
        return binary

    return build


@pytest.fixture
def grpc_core(ports: list[int], tmp_path: Path) -> Iterator[Logged]:
    """The server of grpc_server.py."""
    port, log = ports.pop(), tmp_path / "grpc-core.log"
    with running([sys.executable, PROGRAMS / "grpc_server.py", str(port), log]):
        wait_listening(port)
        yield Logged(port, log, told_by_grpc)


def call_with_grpc_core(
    port: int, method: str, *numbers: int, seconds: float = 90, trust: Path | None = None
) -> list[tuple[int, int]]:
    """Status and number of messages of each call that grpc_client.py made; over TLS if it is told whom to trust."""
    command = [sys.executable, PROGRAMS / "grpc_client.py", str(port), method, *map(str, numbers)]
    environment = {**os.environ, **({"GRPC_TRUST": str(trust)} if trust else {})}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds, env=environment)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
