"""TLS that cannot be read: it is said of which process and why, and nothing is invented in its place."""

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
from tests.stage.judge import Judge
from tests.tls.watching import watching

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROOT = Path(__file__).parents[2]

LISTENING_JAVA = """\
class Main {
    public static void main(String[] words) throws Exception {
        System.out.println("ready");
        System.in.read();
    }
}
"""

MAPS_NSS = "import ctypes, sys; ctypes.CDLL('libssl3.so'); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def rustls_both() -> Path:
    """A server and a client over rustls, in one process."""
    options = ["--release", "--package", "rover-reporters", "--example", "rustls_both", "--message-format", "json"]
    built = subprocess.run(
        ["cargo", "build", "--quiet", *options], cwd=ROOT, check=True, capture_output=True, text=True
    )
    told = [json.loads(line) for line in built.stdout.splitlines()]
    (path,) = [each["executable"] for each in told if each.get("target", {}).get("name") == "rustls_both"]
    return Path(path)


@contextmanager
def waiting(command: list[str], word: str) -> Iterator[int]:
    """A process that has said the word and waits for the end of its input."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == word
        yield process.pid
        process.communicate(timeout=20)
    assert process.returncode == 0


def output_of(*words: str) -> str:
    """What a command of rover says."""
    command = [str(Path(sys.executable).parent / "rover"), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout


def require_told(path: str, pid: int, kind: str, reason: str) -> None:
    """`rover doctor` names the file, what it is, the process and the reason; `rover processes` as well, of no other."""
    table = output_of("processes").splitlines()
    (row,) = [line for line in table if line.split()[0] == str(pid)]
    assert f"  {kind}" in row, row
    assert any(line.startswith(f"{kind.split()[0]} is not read: ") and reason in line for line in table), table
    processes = [json.loads(line) for line in output_of("processes", "--json").splitlines()]
    unread = {each["pid"]: [library["path"] for library in each["unread_tls"]] for each in processes}
    assert path in unread[pid]
    assert unread[os.getpid()] == []
    said = output_of("doctor")
    lines = [line.strip() for line in said.splitlines()]
    (at,) = [number for number, line in enumerate(lines) if line.startswith(f"✗ {path} ")]
    assert f"{kind}" in lines[at], lines[at]
    assert f"({pid})" in lines[at + 1], lines[at + 1]
    assert any(path in line and reason in line for line in lines), said


def test_a_process_with_rustls_is_told_with_its_version_and_yields_nothing(
    judge: Judge, ports: list[int], rustls_both: Path, tmp_path: Path
) -> None:
    """Stripped as well: what a panic names stays in the program."""
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, rustls_both], check=True)
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    # rustls takes no certificate of an authority for a server's.
    leaf = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    leaf += ["-addext", "basicConstraints=critical,CA:FALSE"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *leaf]
    subprocess.run(make, check=True, capture_output=True)
    words = [certificate, key, "20"]
    for program in [rustls_both, stripped]:
        port = ports.pop()
        with waiting([str(program), str(port), *words], "done") as pid:
            require_told(str(program), pid, "rustls 0.23", "compiled into each program")
        assert judge.records(port, "server") + judge.records(port, "client") == []


@pytest.mark.parametrize(
    ("name", "kind", "reason"), [("libjvm.so", "jsse", "Java code"), ("libssl3.so", "nss", "plain sockets and files")]
)
def test_a_process_with_another_tls_that_cannot_be_read_is_told(
    tmp_path: Path, program: Callable[[str], str], name: str, kind: str, reason: str
) -> None:
    """By the capture that runs when it starts, and by `rover doctor`."""
    if kind == "jsse":
        source = tmp_path / "Main.java"
        source.write_text(LISTENING_JAVA)
        command = [program("java"), str(source)]
    else:
        command = [sys.executable, "-c", MAPS_NSS]
    with watching(tmp_path) as watch, waiting(command, "ready") as pid:

        def found() -> dict[str, Any] | None:
            libraries = [each for each in watch.status()["libraries"] if os.path.basename(each["path"]) == name]
            return next((each for each in libraries if pid in each["processes"]), None)

        library = wait_until(found, "the library of the process", 20)
        assert (library["kind"], library["attached"]) == (kind, False)
        assert reason in library["reason"]
        require_told(library["path"], pid, kind, reason)
