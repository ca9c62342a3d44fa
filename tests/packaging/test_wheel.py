"""The wheel in a fresh environment: no compiler, no cargo, no library of the machine beside libc and libz."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.cli.running import Running
from tests.packaging.conftest import ROOT
from tests.stage.ports import free_port

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

RETRY = ("--retry-connrefused", "--retry", "9")


@pytest.fixture(scope="module")
def folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of the environment are."""
    place = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin/pip"), "--disable-pip-version-check", "install", "--quiet"]
    locked = ["--only-binary", ":all:", "--require-hashes", "-r", str(ROOT / "requirements-run.lock")]
    for wanted in (locked, ["--no-deps", str(wheel)]):
        subprocess.run([*pip, *wanted], check=True, timeout=600)
    return place / "bin"


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Neither cargo nor clang on the path, nor anything else."""
    return {"PATH": str(folder)}


def test_it_tells_its_version_and_what_the_machine_can(folder, environment):
    for word, expected in (("--version", "rover 0."), ("doctor", "Capture works")):
        done = subprocess.run([folder / "rover", word], capture_output=True, text=True, env=environment, timeout=60)
        assert (done.returncode, expected in done.stdout) == (0, True), done


def test_it_takes_the_page_and_an_exchange_of_another_program(folder, environment, tmp_path):
    http, grpc = free_port(), free_port()
    settings = {
        "backend": {
            "http": {"address": f"127.0.0.1:{http}"},
            "grpc": {"address": f"127.0.0.1:{grpc}"},
            "store": {"path": str(tmp_path / "rover.db")},
        },
        "reporters": {"oap": {"addresses": [f"127.0.0.1:{grpc}"]}},
    }
    (tmp_path / "rover.yaml").write_text(json.dumps(settings))  # JSON is YAML
    path = f"/{tmp_path.name}"
    server_port = free_port()
    command = [sys.executable, "-m", "http.server", str(server_port), "--bind", "127.0.0.1", "-d", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        arguments = ("up", "-c", str(tmp_path / "rover.yaml"))
        with Running(*arguments, environment=environment, executable=folder / "rover") as rover:
            subprocess.run(["curl", "-so", "/dev/null", *RETRY, f"127.0.0.1:{server_port}{path}"])
            page = f"http://127.0.0.1:{http}"
            found = both_ends(f"{page}/api/exchanges?path={path}")
            assert {(end["side"], end["status"]) for end in found} == {("server", 404), ("client", 404)}
            with urlopen(page) as answer:
                assert b"<script" in answer.read()
            mapped = Path(f"/proc/{rover.process.pid}/maps").read_text()
            libraries = {line.split()[-1] for line in mapped.splitlines() if "libelf" in line}
            assert [name for name in libraries if "/rover.libs/" in name]
            assert not [name for name in libraries if "/rover.libs/" not in name]
            assert rover.stop()[0] == 0
    finally:
        server.kill()
        server.wait()


def both_ends(url: str) -> list[dict[str, Any]]:
    """The exchanges that the API lists there, once there are two."""
    deadline = time.monotonic() + 20
    while True:
        with urlopen(url, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["exchanges"]
        if len(found) == 2:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)  # between questions to another process; there is nothing to wait on
