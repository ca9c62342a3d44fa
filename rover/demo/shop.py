"""Starts the shop and ends it. Whatever happens to rover, its programs end: the kernel ends them with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from rover.demo.parts import PARTS, SOURCES, Part

_LISTEN_S = 15.0
_END_S = 3.0
_BUILD_S = 180.0
"""The first build of a Go program also builds Go's library."""
_PR_SET_PDEATHSIG = 1


class Shop:
    """The programs of the demo, used with `with`: ended in the end, and their folder removed. `prepare`, then `open`,
    then `let_in`."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long the clients go on."""
        self._folder = Path(tempfile.mkdtemp(prefix="rover-demo-"))
        self._seconds = seconds
        self._running: list[tuple[Part, subprocess.Popen[bytes]]] = []
        self.parts: list[Part] = []
        """What runs here, after `prepare`."""
        self.left_out: dict[str, str] = {}
        """Name of each part that does not, and why."""
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Shop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def rules_file(self) -> Path:
        """Says whom rover watches, and how they are called."""
        return self._folder / "rules.yaml"

    @property
    def store(self) -> Path:
        """Where the records of the demo go."""
        return self._folder / "rover.db"

    def prepare(self) -> None:
        """Find out what this machine has, and make what the programs need."""
        for part in PARTS:
            reason = self._maybe_missing(part)
            if reason is None:
                self.parts.append(part)
            else:
                self.left_out[part.name] = reason
        self.ports = dict(zip((part.name for part in self.parts if not part.is_client), _free_ports(), strict=False))
        if shutil.which("openssl"):
            self._make_certificate()
        if "storefront" in self.ports:
            self._write_nginx()
        self.rules_file.write_text(self._rules())

    def open(self) -> None:
        """Start services, and clients that wait; returns when all listen. A service that does not is left out."""
        for part in [part for part in self.parts if not part.is_client]:
            process = self._start(part)
            if not _listens(self.ports[part.name], process):
                self.parts.remove(part)
                self.left_out[part.name] = f"did not start: {self._said_last(part)}"
        for part in [part for part in self.parts if part.is_client]:
            self._start(part)

    def let_in(self) -> None:
        """Let the clients begin: they wait for the end of their input."""
        for _, process in self._running:
            if process.stdin is not None:
                process.stdin.close()

    @property
    def is_busy(self) -> bool:
        """Whether a client is still at it."""
        return any(part.is_client and process.poll() is None for part, process in self._running)

    def end(self) -> None:
        """End all programs, clients first. Idempotent."""
        for is_client in (True, False):
            found = [process for part, process in self._running if part.is_client == is_client]
            for process in found:
                process.terminate()
            for process in found:
                try:
                    process.wait(_END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._running.clear()

    def _maybe_missing(self, part: Part) -> str | None:
        for program in part.needs:
            if shutil.which(program) is None:
                return f"{program} is not installed"
        for other in part.parts:
            if other in self.left_out:
                return f"needs {other}"
        return self._maybe_unbuilt(part) if part.language == "Go" else None

    def _maybe_unbuilt(self, part: Part) -> str | None:
        command: list[str | Path] = ["go", "build", "-o", part.mark(self._folder), SOURCES / f"{part.name}.go"]
        environment = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        try:
            built = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_BUILD_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"go build: {type(error).__name__}"
        return None if built.returncode == 0 else f"go build: {_last_line(built.stderr)}"

    def _make_certificate(self) -> None:
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(self._folder / "key.pem"), "-out", str(self._folder / "cert.pem")]
        subject = ["-days", "2", "-subj", "/CN=localhost", "-addext", names]
        subprocess.run([*command, *files, *subject], check=True, capture_output=True, timeout=30)

    def _write_nginx(self) -> None:
        text = (SOURCES / "storefront.conf").read_text()
        for name, value in (
            ("FOLDER", str(self._folder)),
            ("PORT", str(self.ports["storefront"])),
            ("SHOP", str(self.ports["shop"])),
        ):
            text = text.replace(f"@{name}@", value)
        (self._folder / "storefront.conf").write_text(text)

    def _rules(self) -> str:
        lines = ["default: exclude", "rules:"]
        for part in self.parts:
            lines.append(f'  - include: {{cmdline: "*{part.mark(self._folder)}*"}}')
            lines.append(f"    service: {part.name}")
        return "\n".join(lines) + "\n"

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        command = [str(word) for word in part.command(self._folder, self.ports, self._seconds)]
        with open(self._log(part), "wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if part.is_client else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=_end_with_parent,
                start_new_session=True,  # Ctrl-C is for rover, which ends them in order
            )
        self._running.append((part, process))
        return process

    def _log(self, part: Part) -> Path:
        return self._folder / f"{part.name}.log"

    def _said_last(self, part: Part) -> str:
        return _last_line(self._log(part).read_text(errors="replace")) or "it said nothing"


def _end_with_parent() -> None:
    """Runs in the child: its end comes with that of the thread that started it, also by SIGKILL."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_libc = ctypes.CDLL(None)


def _free_ports() -> Iterator[int]:
    """Ports of loopback; all are held until the last one is chosen, so that none is chosen twice."""
    with contextlib.ExitStack() as held:
        while True:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            yield probe.getsockname()[1]


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Looks in /proc/net/tcp: a connection to find out would be in the demo's own picture."""
    deadline = time.monotonic() + _LISTEN_S
    while process.poll() is None and time.monotonic() < deadline:
        with open("/proc/net/tcp", encoding="ascii") as table:
            if any(f":{port:04X} " in line and " 0A " in line for line in table):
                return True
        time.sleep(0.02)
    return False


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1].strip()[:160] if lines else ""
