"""A daemon, a backend and `rover logs`, all over TLS; and what is said when the files are wrong."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from rover.cli import main
from tests.cli.running import ROVER, Running
from tests.reporters.test_tls import Certificates
from tests.stage.deadline import wait_until

from .test_up import Place

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture
def known(tmp_path: Path) -> Certificates:
    """One certificate, for another name than the configured address."""
    return Certificates(tmp_path / "tls").issue("backend.test", ",IP:127.0.0.1")


@pytest.fixture
def secured(tmp_path: Path, known: Certificates) -> Place:
    """A configuration with certificates; the daemon of it trusts their authority."""
    (tmp_path / "token").write_text("correct-horse-battery-staple")
    place = Place(tmp_path)
    files = json.dumps({"cert_file": known.path("backend.test.crt"), "key_file": known.path("backend.test.key")})
    place.write(
        backend__http__tls=files,
        backend__grpc__tls=files,
        backend__http__token_file=str(tmp_path / "token"),
        backend__grpc__token_file=str(tmp_path / "token"),
        reporters__oap__token_file=str(tmp_path / "token"),
        reporters__oap__tls=json.dumps({"enabled": True, "ca_file": known.path("ca.crt")}),
        reporters__oap__spool__path=str(tmp_path / "spool"),
    )
    return place


def logs(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `rover logs` prints."""
    return subprocess.run([ROVER, "logs", "-c", place.file, *arguments], capture_output=True, text=True, timeout=60)


@contextmanager
def asked_once() -> Iterator[str]:
    """The path of an exchange without TLS, which nobody else on this machine asks for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = f"/nothing-at-{server.server_port}"
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=10)
        yield path
        server.shutdown()


def test_reports_and_questions_go_over_tls(secured: Place) -> None:
    """The certificate is for another name than the configured address: `rover logs` knows its own backend's."""
    with Running("backend", "-c", str(secured.file)) as backend:
        assert f"https://127.0.0.1:{secured.http}/" in backend.said
        with Running("daemon", "-c", str(secured.file)) as daemon, asked_once() as path:
            wait_until(lambda: path in logs(secured, "--path", path).stdout, "its record", 30)
            assert daemon.stop()[0] == 0
        assert json.loads(daemon.errors[-1])["reported"] > 0
        stranger = logs(secured, "--backend", f"https://127.0.0.1:{secured.http}")
        assert stranger.returncode == 2
        assert "certificate verify failed" in stranger.stderr
        assert "Traceback" not in stranger.stderr
        assert backend.stop()[0] == 0


def shown(port: int) -> bytes:
    """The certificate that a listener shows."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=10))


def test_a_renewed_certificate_is_used_without_a_restart(secured: Place, known: Certificates) -> None:
    """And one that is none is told, once for each listener, while the old one stays."""
    file = Path(known.path("backend.test.crt"))
    first = ssl.PEM_cert_to_DER_cert(file.read_text())
    with Running("backend", "-c", str(secured.file)) as backend:
        assert [shown(secured.http), shown(secured.grpc)] == [first, first]
        file.write_text("no certificate")
        wait_until(lambda: len(told(backend, "stays in use")) == 2, "two complaints", 20)
        assert [shown(secured.http), shown(secured.grpc)] == [first, first]
        known.issue("backend.test", ",IP:127.0.0.1")
        second = ssl.PEM_cert_to_DER_cert(file.read_text())
        assert second != first
        wait_until(lambda: len(told(backend, "is used from now on")) == 2, "two renewals", 20)
        assert [shown(secured.http), shown(secured.grpc)] == [second, second]
        assert logs(secured).returncode == 0
        assert len(told(backend, "stays in use")) == 2
        assert backend.stop()[0] == 0


def told(backend: Running, words: str) -> list[str]:
    """Lines of its log that have these words."""
    return [line for line in backend.errors if words in line]


@pytest.mark.parametrize("listener", ["http", "grpc"])
def test_half_of_a_pair_is_told_in_one_line(
    secured: Place, tmp_path: Path, listener: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a file that is none."""
    for files, words in (
        ({"cert_file": str(tmp_path / "x.crt")}, "a certificate and its key belong together: one is not set"),
        ({"cert_file": "/no/x.crt", "key_file": "/no/x.key"}, "/no/x.crt: No such file or directory"),
    ):
        secured.write(**{f"backend__{listener}__tls": json.dumps(files)})
        assert main(["backend", "-c", str(secured.file)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"rover: backend.{listener}.tls.")
        assert words in said
        assert said.count("\n") == 1
