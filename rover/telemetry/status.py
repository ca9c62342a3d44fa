"""The state of a daemon as one object, from which metrics, health, systemd's line and `rover status` are made."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rover import __version__

SOCKET = "daemon.sock"
"""Name of the local socket in `daemon.folder`."""
STALLED_S = 5.0
"""A drain thread that has not begun a round for so long is stuck; its longest pause is 10 ms."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")

Status = dict[str, Any]
"""`{"version", "pid", "node", "state", "uptime_s", "pulse_s", "bpf_stats_enabled", "ledger", "stats", "hooks", "tls",
"watched_processes", "cpu_s", "rss_bytes", …}`; `ledger`, `stats`, `hooks` and `tls` only of a live engine, and what
others add by `Telling.add`."""


class Told(Protocol):
    """The part of a capture that is told of."""

    @property
    def node_name(self) -> str:
        """The name of this node."""

    @property
    def watched_processes(self) -> int:
        """Number of processes that are watched."""

    def maybe_pulse_s(self) -> float | None:
        """Seconds since the drain thread began its last round; None unless it runs."""

    def ledger(self) -> dict[str, int]:
        """Counts so far."""

    def stats(self) -> dict[str, Any]:
        """The engine's own counters."""

    def hooks(self) -> list[dict[str, Any]]:
        """Each hook of the kernel."""

    def tls(self) -> dict[str, Any]:
        """TLS libraries."""


class Telling:
    """Gathers the status of one capture. Called from several threads."""

    def __init__(self, capture: Told) -> None:
        self._capture = capture
        self._began = time.monotonic()
        self._parts: dict[str, Callable[[], Any]] = {}
        self._phase = "starting"
        self._lock = threading.Lock()

    def add(self, name: str, part: Callable[[], Any]) -> None:
        """Tell this too, under that name."""
        self._parts[name] = part

    def ready(self) -> None:
        """All hooks are attached and every running process is decided on."""
        self._phase = "ready"

    def stopping(self) -> None:
        """The end has begun: what is in flight is drained."""
        self._phase = "stopping"

    def state(self) -> str:
        """`starting`, `ready`, `stalled` or `stopping`. Asks nobody, so it answers always."""
        if self._phase != "ready":
            return self._phase
        pulse_s = self._capture.maybe_pulse_s()
        return "ready" if pulse_s is not None and pulse_s < STALLED_S else "stalled"

    def pulse_s(self) -> float | None:
        """Seconds since the engine's last sign of life; None unless it runs."""
        return self._capture.maybe_pulse_s()

    def status(self) -> Status:
        """Everything, as it is now. An engine that does not answer is told without its figures."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        state = self.state()
        status: Status = {
            "version": __version__,
            "pid": os.getpid(),
            "node": self._capture.node_name,
            "state": state,
            "time_s": time.monotonic(),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "pulse_s": self._capture.maybe_pulse_s(),
            "bpf_stats_enabled": is_run_time_counted(),
            "watched_processes": self._capture.watched_processes,
            "rss_bytes": resident_bytes(),
            "cpu_s": usage.ru_utime + usage.ru_stime,
        }
        if state == "ready":
            with self._lock:  # so that many who ask at once do not crowd the drain thread
                status["ledger"] = self._capture.ledger()
                status["stats"] = self._capture.stats()
            status["hooks"] = self._capture.hooks()
            status["tls"] = self._capture.tls()
        for name, part in self._parts.items():
            status[name] = part()
        return status


def resident_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def is_run_time_counted() -> bool:
    """Whether the kernel counts runs and run time of programs; who administers the machine switches it."""
    try:
        return _STATISTICS.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def backends(status: Status) -> list[tuple[str | None, str | None]]:
    """Of each stream to a backend where it goes, None while it goes nowhere, and its last error."""
    streams = status.get("stats", {}).get("oap", [])
    return [(stream.get("backend"), stream.get("last_error")) for stream in streams]
