"""Processes that make one HTTPS request and end at once, two hundred of each kind: the library has been seen before, so
nothing of them is missed, however soon they talk and however soon they are gone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage.deadline import wait_until
from tests.stage.judge import Judge

from .conftest import Certificate
from .test_records import PROGRAMS, make_nginx

pytestmark = [pytest.mark.root, pytest.mark.slow]

COUNT = 200


def require_each_is_told(
    judge: Judge, ports: list[int], certificate: Certificate, folder: Path, command: list[str]
) -> None:
    """Runs the command with port, certificate and path, again and again; nginx's log is the truth."""
    with make_nginx(folder, ports.pop(), certificate) as nginx:
        for number in range(COUNT):
            words = [str(nginx.port), str(certificate.certificate), f"/small?{number}"]
            subprocess.run([*command, *words], check=True, timeout=20, stdout=subprocess.DEVNULL)
        truth = nginx.truth(COUNT)
    judge.require(nginx.port, truth)


def test_curl(judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """libssl over a socket, in C."""
    script = 'exec curl -sS --http1.1 --ipv4 --cacert "$2" "https://localhost:$1$3"'
    require_each_is_told(judge, ports, certificate, tmp_path, ["sh", "-c", script, "sh"])


def test_python_over_a_socket(judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """libssl over a socket, in an interpreter that maps it late."""
    require_each_is_told(judge, ports, certificate, tmp_path, [sys.executable, str(PROGRAMS / "once.py")])


def test_python_over_memory(judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """libssl over memory: what the session writes there is told in every process, so it is found on a socket."""
    require_each_is_told(judge, ports, certificate, tmp_path, [sys.executable, str(PROGRAMS / "once_asyncio.py")])


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_go(judge: Judge, ports: list[int], certificate: Certificate, tmp_path: Path) -> None:
    """crypto/tls, in an executable that has run once before."""
    program = tmp_path / "once"
    build = ["go", "build", "-o", str(program), "./once"]
    subprocess.run(build, cwd=PROGRAMS / "go", check=True, capture_output=True, timeout=100)
    with make_nginx(tmp_path / "known", ports.pop(), certificate) as nginx:

        def is_known() -> bool:
            subprocess.run([str(program), str(nginx.port), str(certificate.certificate), "/"], check=True, timeout=20)
            return bool(judge.records(nginx.port, "client"))

        wait_until(is_known, "the probes of a new executable")
    require_each_is_told(judge, ports, certificate, tmp_path, [str(program)])
