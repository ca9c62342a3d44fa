"""HTTPS through real libraries: what clients asked and got is the truth for the records of both sides."""

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stage.comparison import compare
from tests.stage.exchange import ANY, Exchange
from tests.stage.judge import Judge
from tests.stage.nginx import Nginx
from tests.stage.rover import Record, Rover

from .conftest import Certificate

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAMS = Path(__file__).parent / "programs"


def told(line: str, protocol: str) -> Exchange:
    """What a client says of one exchange."""
    seen = json.loads(line)
    return Exchange(
        method="GET",
        path=seen["path"],
        status=200,
        request_body=0,
        response_body=seen["body"],
        request_bytes=ANY,
        response_bytes=ANY,
        protocol=protocol,
        connection=seen["connection"],
        number=seen["number"],
    )


def truth_of(command: list[str], protocol: str = "HTTP/1.1", seconds: float = 100) -> list[Exchange]:
    """Runs a program that prints what it asked and got."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return [told(line, protocol) for line in done.stdout.splitlines()]


def require_encrypted(records: list[Record], library: str) -> None:
    """Each record says which library, and what the handshake agreed on."""
    seen = Counter((record["tls"]["library"], record["tls"]["version"]) for record in records)
    assert set(seen) == {(library, "TLSv1.3")}
    assert all(record["tls"]["handshake_ns"] is None or record["tls"]["handshake_ns"] > 0 for record in records)


def test_a_session_where_another_was_freed_is_read_from_its_begin(
    judge: Judge, ports: list[int], certificate: Certificate
) -> None:
    """What is not to be copied of one session (the rest of its long body) is not for the next one at its address."""
    port, other = ports.pop(), ports.pop()
    command = [sys.executable, str(PROGRAMS / "cut_short.py"), str(port), str(other)]
    truth = truth_of([*command, str(certificate.certificate), str(certificate.key), "30"])
    assert len(truth) == 30
    judge.require(port, truth)


def test_peers_of_one_process_with_memory_bios_are_never_crossed(
    judge: Judge, ports: list[int], certificate: Certificate
) -> None:
    """Both ends in one process, four peers at a time: only ciphertext tells the sessions apart."""
    port = ports.pop()
    command = [sys.executable, str(PROGRAMS / "memory_bio.py"), str(port), str(certificate.certificate)]
    truth = truth_of([*command, str(certificate.key), "4", "200"])
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server") + judge.records(port, "client"), "openssl")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_is_told_as_its_clients_saw_it(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """OpenSSL within the executable, with BIOs of Node's own."""
    port = ports.pop()
    words = ["node", str(PROGRAMS / "https.js"), str(port), str(certificate.certificate), str(certificate.key)]
    truth = truth_of([*words, "4", "50"])
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server") + judge.records(port, "client"), "openssl")


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
@pytest.mark.parametrize("flags", ["", "-s -w"], ids=["symbols", "stripped"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_go_is_told_as_its_clients_saw_it(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, flags: str, version: str
) -> None:
    """crypto/tls, found by symbols or by the table of functions that no linker leaves out."""
    program = tmp_path / "https"
    build = ["go", "build", f"-ldflags={flags}", "-o", str(program), "."]
    subprocess.run(build, cwd=PROGRAMS / "go", check=True, capture_output=True, timeout=100)
    port = ports.pop()
    command = [str(program), str(port), str(certificate.certificate), str(certificate.key), "4", "50", version]
    # Never seen before: it gives rover the time that such a file may take.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    out, _ = process.communicate("go\n", timeout=60)
    assert process.returncode == 0
    truth = [told(line, "HTTP/1.1" if version == "1" else "HTTP/2") for line in out.splitlines()]
    judge.require(port, truth)
    require_encrypted(judge.records(port, "server") + judge.records(port, "client"), "go")


def make_nginx(folder: Path, port: int, certificate: Certificate, listen: str = "ssl") -> Nginx:
    """nginx with TLS."""
    server = f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};\n"
    server += "ssl_protocols TLSv1.2 TLSv1.3;"
    nginx = Nginx(folder, port, server=server, listen=listen)
    (nginx.files / "megabyte").write_bytes(b"m" * (1 << 20))
    return nginx


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_nginx_and_curl_are_told_as_the_access_log_has_it(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path, version: str
) -> None:
    """libssl at both ends, small and large responses over one kept connection."""
    paths = ["/small", "/megabyte", "/missing", "/nothing"] * 10
    with make_nginx(tmp_path, ports.pop(), certificate) as nginx:
        urls = [word for path in paths for word in ("-o", "/dev/null", f"https://localhost:{nginx.port}{path}")]
        limits = ["--tls-max", version, f"--tlsv{version}", "--http1.1", "--ipv4"]
        curl = ["curl", "-s", "--cacert", str(certificate.certificate), *limits, *urls]
        subprocess.run(curl, check=True, capture_output=True, timeout=60)
        truth = nginx.truth(len(paths))
    judge.require(nginx.port, truth)
    records = judge.records(nginx.port, "server") + judge.records(nginx.port, "client")
    assert {record["tls"]["version"] for record in records} == {f"TLSv{version}"}
    assert {record["tls"]["server_name"] for record in records} == {"localhost"}
    # Ciphertext has packets like any bytes: layers come along.
    assert all(record["kernel"]["write"]["packets"] > 0 for record in records)
    names = {name for record in records for name, _ in record["timeline"]}
    assert {"tls_read", "tls_write"} <= names


def test_h2load_over_tls_is_told_as_the_access_log_has_it(
    judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path
) -> None:
    """Ten connections with a hundred streams each."""
    with make_nginx(tmp_path, ports.pop(), certificate, "ssl http2") as nginx:
        h2load = ["h2load", "-n", "10000", "-c", "10", "-m", "100", f"https://127.0.0.1:{nginx.port}/small"]
        subprocess.run(h2load, check=True, capture_output=True, timeout=90)
        truth = nginx.truth(10000, seconds=30)
    expected = Counter((each.connection, each.method, each.path, each.status, each.response_body) for each in truth)
    for side in ("server", "client"):
        records = judge.rover.records_of(nginx.port, side)
        judge.rover.wait_for(lambda records=records: len(records) >= len(truth), 30)
        client = "remote" if side == "server" else "local"
        seen = Counter(
            (each[client]["port"], each["method"], each["path"], each["status"], each["response"]["body_bytes"])
            for each in records
        )
        assert seen == expected
        assert {tuple(each["flags"]) for each in records} == {()}
        assert {each["protocol"] for each in records} == {"HTTP/2"}


def test_a_connection_that_is_older_than_rover_is_told_from_then_on(
    certificate: Certificate, tmp_path: Path, ports: list[int]
) -> None:
    """Kept alive from before; the handshake is unknown, the exchanges are not."""
    port = ports.pop()
    trust = ssl.create_default_context(cafile=str(certificate.certificate))
    with make_nginx(tmp_path, port, certificate) as nginx:
        connection = http.client.HTTPSConnection("localhost", nginx.port, context=trust)
        connection.request("GET", "/small")
        connection.getresponse().read()
        with Rover("--port", str(port)) as rover:
            for _ in range(20):
                connection.request("GET", "/small")
                assert connection.getresponse().read() == b"hello\n"
            rover.wait_for(lambda: len(rover.records) >= 40, 10)
        connection.close()
        truth = nginx.truth(21)[1:]
    expected = [replace(each, number=ANY).flagged("pre_existing") for each in truth]
    for side in ("server", "client"):
        differences = compare(rover.records_of(port, side), expected)
        assert not differences, f"{side} side: {differences}"
