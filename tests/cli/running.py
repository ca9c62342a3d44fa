"""`rover` commands that keep running: started, waited for until they are ready, stopped, what they said kept."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.stage.alone import Alone

ROVER = Path(os.environ.get("ROVER", Path(__file__).resolve().parents[2] / ".venv/bin/rover"))
DEADLINE_S = 120.0 if "VM_GUEST" in os.environ else 30.0
"""For a busy machine, or an emulated one; bench measures how long it takes."""


class Running:
    """One command, used with `with`: ready inside the block, gone after it.

    `before`: words of a command that becomes rover, as `setpriv` does."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        executable: Path = ROVER,
        before: Sequence[str] = (),
        is_json: bool = False,
    ) -> None:
        """`is_json`: it logs in JSON."""
        self.command = [*before, str(executable), *arguments]
        self._alone = Alone()
        self.environment = {**os.environ, **self._alone.variables, **(environment or {})}
        self.errors: list[str] = []
        self.folder = self.environment["ROVER_DAEMON_FOLDER"]
        self._stdout = stdout
        self._ready = b'"event": "ready' if is_json else b"ready"
        self._is_ready = threading.Event()
        self._has_said_ready = False

    def __enter__(self) -> Running:
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._stdout, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read_errors)
        self._reader.start()
        assert self._is_ready.wait(DEADLINE_S), self.said
        assert self._has_said_ready, self.said
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._alone.close()

    @property
    def said(self) -> str:
        """All of stderr so far."""
        return "\n".join(self.errors)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, bytes]:
        """Ask it to end; the exit code, and what is left on stdout."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> tuple[int, bytes]:
        """Wait for its own end; the same."""
        records = self.process.stdout.read() if self.process.stdout is not None else b""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code, records

    def _read_errors(self) -> None:
        for line in self.process.stderr:
            self.errors.append(line.decode().rstrip("\n"))
            if self._ready in line[:160] if self._ready != b"ready" else line.startswith(self._ready):
                self._has_said_ready = True
                self._is_ready.set()
        self._is_ready.set()  # the end of the process is for the waiting one to look at
