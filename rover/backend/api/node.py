"""What rover tells about itself: the daemon's facts where there is a daemon, and what this process can see."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import msgspec

from rover.backend.api.shapes import Cost, Hook, Node, StoreState, TlsState
from rover.backend.options import BackendOptions, NodeFacts
from rover.backend.store import Store

WINDOW_S = 60.0
"""CPU is told as the mean over at most about this long."""
LEAST_WINDOW_S = 1.0


class NodeView:
    """Answers for `/api/node` and `/api/ledger`. Any thread may ask."""

    def __init__(self, options: BackendOptions, store: Store, facts: Callable[[], NodeFacts]) -> None:
        self._options = options
        self._store = store
        self._facts = facts
        self._started = time.monotonic()
        self._cpu = CpuMeter()
        self._version = _version()

    def node(self) -> Node:
        """Everything."""
        facts = self._facts()
        cost = facts.get("cost") or {}
        return Node(
            ledger=_ledger(facts),
            hooks=[msgspec.convert(_hook(hook), Hook) for hook in facts.get("hooks") or []],
            tls=_maybe_tls(facts),
            cost=Cost(
                cpu_percent=_either(cost.get("cpu_percent"), self._cpu.percent()),
                rss_bytes=_either(cost.get("rss_bytes"), resident_bytes()),
                bpf_ns_per_exchange=cost.get("bpf_ns_per_exchange"),
            ),
            uptime_s=round(time.monotonic() - self._started, 3),
            version=str(facts.get("version") or self._version),
            watched_processes=facts.get("watched_processes"),
            store=self._store_state(),
        )

    def ledger(self) -> dict[str, int]:
        """The daemon's ledger; empty where there is no daemon."""
        return _ledger(self._facts())

    def _store_state(self) -> StoreState:
        facts = self._store.facts()
        return StoreState(
            stored=facts.stored,
            queued=facts.queued,
            lost=facts.lost,
            used_bytes=facts.used_bytes,
            overflowed=facts.overflowed,
            kept=facts.kept,
            left_out=facts.left_out,
            retention_bytes=self._options.retention_bytes,
            retention_hours=self._options.retention_hours,
        )


class CpuMeter:
    """CPU of this process in percent of one core, over the time since a moment at most two windows ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._older = self._newer = (time.monotonic(), time.process_time())

    def percent(self) -> float | None:
        """Null in the first second."""
        now, used = time.monotonic(), time.process_time()
        with self._lock:
            if now - self._newer[0] >= WINDOW_S:
                self._older, self._newer = self._newer, (now, used)
            since, used_then = self._older
        if now - since < LEAST_WINDOW_S:
            return None
        return round(100 * (used - used_then) / (now - since), 2)


def resident_bytes() -> int | None:
    """Resident memory of this process; None where /proc does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _ledger(facts: NodeFacts) -> dict[str, int]:
    return {str(cause): int(count) for cause, count in (facts.get("ledger") or {}).items()}


def _hook(hook: Any) -> dict[str, Any]:
    return {"hook": "", "mode": "", "attached": False, "feeds": "", "reason": None, **hook}


def _maybe_tls(facts: NodeFacts) -> TlsState | None:
    told = facts.get("tls")
    return msgspec.convert(told, TlsState) if told else None


def _either(told: float | None, measured: Any) -> Any:
    return measured if told is None else told


def _version() -> str:
    try:
        return metadata.version("rover")
    except metadata.PackageNotFoundError:
        return "0"
