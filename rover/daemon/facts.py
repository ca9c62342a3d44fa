"""What the daemon tells about itself: losses, hooks, and its own cost."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

from rover.daemon.capture import Capture
from rover.telemetry.status import resident_bytes

_LEAST_S = 0.5
"""CPU time is counted in steps of the scheduler: over less time the share would be noise."""


class NodeFacts:
    """Facts about this node, for the page and the API. Called from several threads."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._lock = threading.Lock()
        self._cpu_percent: float | None = None
        self._last = (time.monotonic(), _cpu_seconds())

    def __call__(self) -> dict[str, Any]:
        """The facts now, as the backend wants them."""
        stats = self._capture.stats()
        return {
            "ledger": self._capture.ledger(),
            "hooks": self._capture.hooks(),
            "tls": self._capture.tls(),
            "cost": {
                "cpu_percent": self._share_of_core(),
                "rss_bytes": resident_bytes(),
                "bpf_ns_per_exchange": maybe_bpf_ns_per_record(stats),
            },
            "watched_processes": self._capture.watched_processes,
        }

    def _share_of_core(self) -> float | None:
        with self._lock:
            now, used = time.monotonic(), _cpu_seconds()
            before, used_before = self._last
            if now - before >= _LEAST_S:
                self._cpu_percent = round(100 * (used - used_before) / (now - before), 1)
                self._last = (now, used)
            return self._cpu_percent


def maybe_bpf_ns_per_record(stats: dict[str, Any]) -> float | None:
    """Run time of the kernel programs per record; None unless the kernel counts it (`kernel.bpf_stats_enabled`)."""
    run_ns = sum(program.get("run_ns") or 0 for program in stats.get("programs", []))
    records = stats.get("records") or 0
    return round(run_ns / records, 1) if run_ns and records else None


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
