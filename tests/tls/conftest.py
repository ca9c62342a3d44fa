"""Certificates and servers for tests of TLS."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stage.ports import free_port, wait_listening


class Certificate(NamedTuple):
    """Files of a self-signed certificate for localhost."""

    key: Path
    certificate: Path


class Server(NamedTuple):
    """A server process and where it listens."""

    pid: int
    port: int


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Made anew for each run of the tests."""
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(folder / "key.pem", folder / "certificate.pem")
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", *words, "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[Server]:
    """A server that listens on the port."""
    with (folder / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_listening(port)
        yield Server(process.pid, port)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def s_server(tmp_path: Path, certificate: Certificate) -> Iterator[Callable[[], Server]]:
    """Starts `openssl s_server -WWW`, which serves the files of the test's folder, one connection at a time."""
    with ExitStack() as stack:

        def start() -> Server:
            port = free_port()
            command = ["openssl", "s_server", "-quiet", "-WWW", "-accept", f"127.0.0.1:{port}"]
            command += ["-key", str(certificate.key), "-cert", str(certificate.certificate)]
            return stack.enter_context(running(command, port, tmp_path))

        yield start
