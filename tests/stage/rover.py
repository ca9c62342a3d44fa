"""`rover` as a process: started, waited for until it is ready, its records collected, stopped, its ledger read."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .alone import Alone
from .cpu import resident_bytes

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLE = Path(os.environ.get("ROVER", ROOT / ".venv/bin/rover"))

Record = dict[str, Any]
Ledger = dict[str, int]

READY_SECONDS = 120.0 if "VM_GUEST" in os.environ else 30.0
"""Not the product's limit, which bench measures, but how long a busy or an emulated machine may need before a test
gives up."""


WATCH = ("watch", "--format", "json")


class Rover:
    """One running rover, used with `with`: inside the block all hooks are attached.

    `records` grows in the order in which rover wrote them to stdout; `errors` has the lines of its stderr. `before`:
    words of a command that becomes rover, as `setpriv` does.
    """

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = WATCH,
        environment: dict[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        self.command = [*before, str(EXECUTABLE), *command, *arguments]
        self._alone = Alone()
        self.environment = {**os.environ, **self._alone.variables, **(environment or {})}
        self.records: list[Record] = []
        self._by_server: dict[tuple[int, str], list[Record]] = {}
        self.errors: list[str] = []
        self.ready_seconds: float | None = None
        self._changed = threading.Condition()

    def __enter__(self) -> "Rover":
        started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._readers = [
            threading.Thread(target=self._read_records, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if not self._wait(lambda: self._is_ready() or self.has_ended(), READY_SECONDS) or self.has_ended():
            self.process.kill()
            self._finish(5)
            raise RuntimeError("rover did not become ready:\n" + "\n".join(self.errors))
        self.ready_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.process.stdout.closed:  # type: ignore[union-attr]
            if not self.has_ended():
                self.process.send_signal(signal.SIGINT)
            self._finish(20)

    @property
    def pid(self) -> int:
        """Process id of the running rover."""
        return self.process.pid

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def stop(self, seconds: float = 20.0, how: signal.Signals = signal.SIGINT) -> Ledger:
        """Ask rover to end and return its ledger; all records are there then. AssertionError if it ended badly."""
        self.process.send_signal(how)
        status = self._finish(seconds)
        said = "\n".join(self.errors)
        assert status == 0, f"rover ended with {status}:\n{said}"
        assert "Traceback" not in said, said
        return self.ledger()

    def ledger(self) -> Ledger:
        """The ledger that rover printed at its end: the last line of stderr that is a JSON object."""
        for line in reversed(self.errors):
            if line.startswith("{"):
                found: Ledger = json.loads(line)
                return found
        raise AssertionError("rover printed no ledger:\n" + "\n".join(self.errors))

    def records_of(self, port: int, side: str) -> list[Record]:
        """Records so far of exchanges with the server on `port`, as one side saw them; the list goes on growing."""
        return self._by_server.setdefault((port, side), [])

    def wait_for(self, is_enough: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait until the records so far are enough; False when they are not after `seconds` or at the end of rover."""
        return self._wait(lambda: is_enough() or self.has_ended(), seconds) and is_enough()

    def resident_bytes(self) -> int:
        """Resident memory of the process now."""
        return resident_bytes(self.pid)

    def _is_ready(self) -> bool:
        return any(line.startswith("ready") for line in self.errors)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _finish(self, seconds: float) -> int:
        """Wait for the end, read what is left, and return the exit status. A rover that hangs is killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"rover did not end within {seconds:g} s") from None
        finally:
            for reader in self._readers:
                reader.join(5)
            assert self.process.stdout is not None
            assert self.process.stderr is not None
            self.process.stdout.close()
            self.process.stderr.close()
            self._alone.close()

    def _read_records(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            record: Record = json.loads(line)
            with self._changed:
                self.records.append(record)
                end = record["local"] if record["side"] == "server" else record["remote"]
                self.records_of(end["port"], record["side"]).append(record)
                self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.errors.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        # The end of stderr is the end of the process, which those who wait want to hear of.
        self.process.wait()
        with self._changed:
            self._changed.notify_all()


NO_CAUSES = frozenset({"captured", "reported", "records"})
"""Figures of a ledger that count something else than events that came to no record."""


def unexplained(ledger: Ledger) -> int:
    """Captured events for which the ledger names neither a record nor a cause; 0 in a balanced ledger."""
    causes = sum(count for name, count in ledger.items() if name not in NO_CAUSES)
    return ledger["captured"] - ledger["reported"] - causes
