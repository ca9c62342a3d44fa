"""Records of libraries and programs besides those of test_records.py, held against what the programs say themselves."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOMY
from tests.http2.conftest import PROGRAMS as HTTP2_PROGRAMS
from tests.http2.conftest import Logged, call_with_grpc_core, told_by_grpc
from tests.http2.conftest import running as running_program
from tests.stage.deadline import wait_until
from tests.stage.exchange import Exchange
from tests.stage.judge import BOTH, Judge
from tests.stage.ports import wait_listening
from tests.stage.rover import Rover

from .conftest import Certificate, running
from .test_records import PROGRAMS, make_nginx, require_encrypted, told, truth_of

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.mark.parametrize(("method", "messages"), [("Unary", 1), ("Bidi", 5)])
def test_grpc_over_boringssl(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, method: str, messages: int
) -> None:
    """grpc-core at both ends: a library without names in an extension module, sessions over pairs of BIOs."""
    port, log = ports.pop(), tmp_path / "log"
    files = [str(certificate.certificate), str(certificate.key)]
    with running_program([sys.executable, HTTP2_PROGRAMS / "grpc_server.py", str(port), log, *files]):
        wait_listening(port)
        answers = call_with_grpc_core(port, method, 500, messages, 100, trust=certificate.certificate)
        assert answers == [(0, messages)] * 500
        truth = Logged(port, log, told_by_grpc).truth(500)
    judge.require(port, truth, seconds=20)
    records = judge.records(port, "server") + judge.records(port, "client")
    assert {record["tls"]["library"] for record in records} == {"boringssl"}


def test_the_first_call_over_boringssl(ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """No process had sessions in this library before, and this one is over before its ciphertext could be asked for."""
    port, log = ports.pop(), tmp_path / "log"
    files = [str(certificate.certificate), str(certificate.key)]
    with Rover("--port", str(port), environment=ROOMY) as rover:
        with running_program([sys.executable, HTTP2_PROGRAMS / "grpc_server.py", str(port), log, *files]):
            wait_listening(port)
            assert call_with_grpc_core(port, "Unary", 1, 1, 1, trust=certificate.certificate) == [(0, 1)]
            truth = Logged(port, log, told_by_grpc).truth(1)
        Judge(rover).require(port, truth)


def test_wget_over_gnutls(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """Several requests on one connection, small and large."""
    with make_nginx(tmp_path, ports.pop(), certificate) as nginx:
        urls = [f"https://localhost:{nginx.port}{path}" for path in ["/small", "/megabyte", "/nothing"] * 10]
        wget = [program("wget"), "-q", "-4", "-O", "/dev/null", f"--ca-certificate={certificate.certificate}"]
        subprocess.run([*wget, *urls], check=True, timeout=60)
        truth = nginx.truth(len(urls))
    judge.require(nginx.port, truth)
    require_encrypted(judge.records(nginx.port, "client"), "gnutls")


def test_openssl_s_server(judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """It reads and writes through a BIO_f_ssl; each connection ends with its response."""
    port = ports.pop()
    (tmp_path / "large").write_bytes(b"x" * 200_000)
    (tmp_path / "small").write_text("hello\n")
    server = ["openssl", "s_server", "-quiet", "-WWW", "-accept", f"127.0.0.1:{port}"]
    server += ["-key", str(certificate.key), "-cert", str(certificate.certificate)]
    truth = []
    with running(server, port, tmp_path):
        for number in range(20):
            name = "large" if number % 2 else "small"
            curl = ["curl", "-sS", "--http1.0", "--ipv4", "--cacert", str(certificate.certificate), "-o", "/dev/null"]
            curl += ["-w", '{"connection":%{local_port},"body":%{size_download}}']
            done = subprocess.run([*curl, f"https://localhost:{port}/{name}"], capture_output=True, timeout=20)
            assert done.returncode == 0, done.stderr
            seen = json.loads(done.stdout)
            truth.append(
                Exchange("GET", f"/{name}", 200, 0, seen["body"], protocol="HTTP/1.0", connection=seen["connection"])
            )
    judge.require(port, truth)


def test_uvicorn_and_httpx(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """Both in one process over memory BIOs, four peers at a time."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), "4", "50"]
    truth = truth_of([sys.executable, str(PROGRAMS / "uvicorn_httpx.py"), *words])
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server") + judge.records(port, "client"), "openssl")


def test_aiohttp(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """Its server and its client in one process over memory BIOs, four peers at a time."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), "4", "50"]
    truth = truth_of([sys.executable, str(PROGRAMS / "aiohttp_both.py"), *words])
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server") + judge.records(port, "client"), "openssl")


def test_gnutls_serv(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """GnuTLS as server, OpenSSL as client; each connection ends with its response."""
    port = ports.pop()
    server = [program("gnutls-serv"), "--quiet", "--http", "--port", str(port)]
    server += ["--x509keyfile", str(certificate.key), "--x509certfile", str(certificate.certificate)]
    truth = []
    with running(server, port, tmp_path):
        for number in range(30):
            curl = ["curl", "-sS", "--http1.0", "--ipv4", "--cacert", str(certificate.certificate), "-o", "/dev/null"]
            curl += ["-w", '{"connection":%{local_port},"body":%{size_download},"status":%{response_code}}']
            done = subprocess.run([*curl, f"https://localhost:{port}/{number}"], capture_output=True, timeout=20)
            assert done.returncode == 0, done.stderr
            seen = json.loads(done.stdout)
            truth.append(
                Exchange(
                    "GET",
                    f"/{number}",
                    seen["status"],
                    0,
                    seen["body"],
                    protocol="HTTP/1.0",
                    connection=seen["connection"],
                )
            )
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server"), "gnutls")
    require_encrypted(judge.records(port, "client"), "openssl")


MANY = 200
"""Connections at a time."""


def test_many_connections_over_memory(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """All in one process, both ends: four hundred sessions that only their ciphertext tells apart."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), str(MANY), "10"]
    truth = truth_of([sys.executable, str(PROGRAMS / "memory_bio.py"), *words])
    judge.require(port, truth, seconds=20)


def test_many_connections_of_node(
    judge: Judge, ports: list[int], certificate: Certificate, program: Callable[[str], str]
) -> None:
    """The same with BIOs of its own."""

    def visit(port: int, connections: int) -> list[Exchange]:
        words = [str(port), str(certificate.certificate), str(certificate.key), str(connections), "10"]
        return truth_of([program("node"), str(PROGRAMS / "https.js"), *words])

    # A rover that has only begun may still be looking through the executables of a busy machine.
    first, port = ports.pop(), ports.pop()
    wait_until(lambda: visit(first, 1) and judge.records(first, "client"), "the probes of Node")
    judge.require(port, visit(port, MANY), seconds=20)


def test_many_connections_of_go(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """Goroutines by the hundred."""
    port, binary = ports.pop(), tmp_path / "https"
    build = [program("go"), "build", "-o", str(binary), "."]
    subprocess.run(build, cwd=PROGRAMS / "go", check=True, capture_output=True, timeout=100)

    def visit(port: int, connections: int) -> list[Exchange]:
        words = [str(port), str(certificate.certificate), str(certificate.key), str(connections), "10", "1"]
        done = subprocess.run([binary, *words], input="go\n", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [told(line, "HTTP/1.1") for line in done.stdout.splitlines()]

    first = ports.pop()
    wait_until(lambda: visit(first, 1) and judge.records(first, "client"), "the probes of a new executable")
    judge.require(port, visit(port, MANY), seconds=20)


def test_many_connections_of_h2load(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """libssl over sockets, one thread at each end."""
    with make_nginx(tmp_path, ports.pop(), certificate) as nginx:
        h2load = [program("h2load"), "--h1", "-n", str(10 * MANY), "-c", str(MANY), "-m", "1"]
        subprocess.run([*h2load, f"https://127.0.0.1:{nginx.port}/small"], check=True, capture_output=True, timeout=90)
        truth = nginx.truth(10 * MANY)
    judge.require(nginx.port, truth, seconds=20)


def test_many_connections_of_gnutls(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """As many processes at a time."""
    with make_nginx(tmp_path, ports.pop(), certificate) as nginx:
        urls = [f"https://localhost:{nginx.port}/small?{number}" for number in range(3)]
        wget = [program("wget"), "-q", "-4", "-O", "/dev/null", f"--ca-certificate={certificate.certificate}", *urls]
        processes = [subprocess.Popen(wget) for _ in range(MANY)]
        assert [process.wait(60) for process in processes] == [0] * MANY
        truth = nginx.truth(len(urls) * MANY)
    judge.require(nginx.port, truth, seconds=20)


def await_records(judge: Judge, port: int, count: int) -> None:
    """Until so many have come from both sides, or time is up."""
    sides = [judge.rover.records_of(port, side) for side in BOTH]
    judge.rover.wait_for(lambda: all(len(told) >= count for told in sides), 60)


@pytest.mark.timeout(400)
def test_a_hundred_thousand_markers_are_never_crossed(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """Both ends in one process over memory, four peers at a time.

    In ten parts: what a test can read in a second is less than what rover tells."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), "4", "2500"]
    truth: list[Exchange] = []
    for _ in range(10):
        truth += truth_of([sys.executable, str(PROGRAMS / "memory_bio.py"), *words])
        await_records(judge, port, len(truth))
    assert len(truth) == 100_000
    judge.require(port, truth, seconds=60)
