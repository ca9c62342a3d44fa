"""Reports over TLS and mTLS to a server of grpcio; certificates by openssl."""

import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.cli.running import ROVER
from tests.reporters.place import Place, Traffic
from tests.stage.deadline import wait_until
from tests.wire.recorder import Recorder

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


class Certificates:
    """An authority, and certificates that it issues."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._openssl("req", "-x509", *self._key("ca"), "-out", self.path("ca.crt"), "-subj", "/CN=authority")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def issue(self, name: str, more: str = "") -> "Certificates":
        """A certificate for a host name."""
        request, names = self.path(f"{name}.csr"), self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName=DNS:{name}{more}\n")
        self._openssl("req", *self._key(name), "-out", request, "-subj", f"/CN={name}")
        authority = ("-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial")
        self._openssl(
            "x509", "-req", "-in", request, *authority, "-out", self.path(f"{name}.crt"), "-extfile", str(names)
        )
        return self

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def _key(self, name: str) -> tuple[str, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key"))

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The backend `backend.test`, also by its address, and a client."""
    return Certificates(tmp_path_factory.mktemp("tls") / "known").issue("backend.test").issue("client.test")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of an authority that nobody knows."""
    return Certificates(tmp_path_factory.mktemp("tls") / "other").issue("client.test")


def credentials(known: Certificates, *, asks: bool) -> grpc.ServerCredentials:
    pair = (known.read("backend.test.key"), known.read("backend.test.crt"))
    return grpc.ssl_server_credentials([pair], known.read("ca.crt") if asks else None, asks)


def said_of(tmp_path: Path, oap: Recorder, tls: dict[str, Any]) -> str | None:
    """What a daemon with these files says of the backend; None if its records arrive there."""
    with Traffic(pause_s=0.01) as traffic:
        place = Place(tmp_path, [traffic.port])
        place.tree["reporters"]["oap"].update(addresses=[oap.address], tls=tls)
        with place.daemon() as daemon:

            def line() -> str | None:
                return next((line for line in daemon.errors if "backend=unreachable" in line), None)

            wait_until(lambda: oap.messages or line(), "records or a complaint", 30)
            daemon.stop()
            assert "PRIVATE" not in daemon.said
            return None if oap.messages else line()


def test_reports_go_over_tls(tmp_path: Path, known: Certificates) -> None:
    """With the authority and the name of the configuration."""
    with Recorder(credentials=credentials(known, asks=False)) as oap:
        tls = {"ca_file": known.path("ca.crt"), "server_name": "backend.test"}
        assert said_of(tmp_path, oap, tls) is None


def test_a_backend_that_asks_for_a_certificate_gets_one(tmp_path: Path, known: Certificates) -> None:
    """mTLS."""
    with Recorder(credentials=credentials(known, asks=True)) as oap:
        pair = {"cert_file": known.path("client.test.crt"), "key_file": known.path("client.test.key")}
        tls = {"ca_file": known.path("ca.crt"), "server_name": "backend.test", **pair}
        assert said_of(tmp_path, oap, tls) is None


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"ca_file": "other"}, "reporters.oap.tls.ca_file"),
        ({"server_name": "wrong.test"}, "reporters.oap.tls.server_name"),
    ],
)
def test_a_backend_that_is_not_trusted_gets_nothing(
    tmp_path: Path, known: Certificates, other: Certificates, change: dict[str, str], key: str
) -> None:
    """And the line names the key to look at."""
    with Recorder(credentials=credentials(known, asks=False)) as oap:
        tls = {"ca_file": known.path("ca.crt"), "server_name": "backend.test", **change}
        if tls["ca_file"] == "other":
            tls["ca_file"] = other.path("ca.crt")
        assert key in (said_of(tmp_path, oap, tls) or "")


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"ca_file": "none.crt"}, "reporters.oap.tls.ca_file: none.crt: No such file or directory"),
        ({"ca_file": "/dev/null"}, "reporters.oap.tls.ca_file: /dev/null has no certificate in PEM form"),
        ({"cert_file": "a.crt"}, "reporters.oap.tls.key_file is missing: reporters.oap.tls.cert_file needs it"),
    ],
)
def test_files_that_cannot_be_used_end_the_start_with_the_key(tmp_path: Path, tls: dict[str, str], words: str) -> None:
    """One line, exit code 2."""
    place = Place(tmp_path, [1])
    place.tree["reporters"]["oap"]["tls"] = tls
    place.daemon()
    command = [str(ROVER), "daemon", "-c", str(place.file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, f"rover: {words}\n")
