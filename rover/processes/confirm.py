"""The thread that answers the kernel's question "is this process wanted?" for as long as the engine runs."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from rover.processes.procfs import ProcFs
from rover.processes.rules import Rules
from rover.processes.source import RulesSource
from rover.processes.table import Decision, Event, ProcessTable

_WAIT_MS = 200
"""The longest wait for processes: bounds how long a stop takes."""
_PORTS_WAIT_MS = 50
"""The same while rules ask for ports: how soon a process that begins to listen is seen."""
_NAMES_WAIT_MS = 20
"""The same while names of containers are to come."""
_RULES_S = 1.0
"""How often the rules file is looked at: one stat."""
_TAKE_IN_S = 5.0
"""How long the start waits for the processes that run already; from then on they are watched as they come."""
_END_OF_TIME = 1 << 63
"""A moment after every deadline."""
_SWEEP_S = 10.0
"""How often the table is compared with /proc, against lost events."""

log = logging.getLogger(__name__)


class ProcessEngine(Protocol):
    """The part of the engine that this package uses."""

    def take_processes(self, timeout_ms: int) -> list[Event]:
        """Processes that began or ended, in order; waits for the first."""

    def confirm(self, pid: int, is_watched: bool, identity: str | None, since_ns: int) -> None:
        """The decision on one of them."""

    def watch_existing(self, pids: list[int]) -> None:
        """Bring processes that run already into the queue."""

    def end_unseen(self, pids: list[int], listed_ns: int) -> None:
        """Forget processes that did not run at that time since boot."""

    def ledger(self) -> str:
        """What was counted, once all that was asked before is done."""


class Confirmer:
    """Runs a process table against an engine."""

    def __init__(
        self,
        engine: ProcessEngine,
        table: ProcessTable,
        proc: ProcFs | None = None,
        rules: RulesSource | None = None,
    ) -> None:
        """`rules`: where other rules may come from; none: they stay as the table has them."""
        self._engine = engine
        self._table = table
        self._proc = proc or ProcFs()
        self._rules = rules
        self._next_rules: RulesSource | None = None
        self._is_settling = False
        self._awaited: set[int] = set()
        self._is_taken_in = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rover-processes", daemon=True)

    @property
    def watched(self) -> int:
        """Number of processes that are watched."""
        return self._table.watched

    def start(self) -> None:
        """Take in every running process and decide on it; then on all that come, in a thread."""
        pids = self._proc.pids()
        self._awaited = set(pids)
        self._engine.watch_existing(pids)
        self._thread.start()
        if not self._is_taken_in.wait(_TAKE_IN_S):
            log.warning("running processes are taken in slowly left=%d", len(self._awaited))

    def use(self, rules: RulesSource) -> None:
        """Decide by other rules, from the next round on."""
        self._next_rules = rules

    def settle(self) -> None:
        """Wait for no listening socket any more: the engine is about to stop, and holds data until all is decided."""
        self._is_settling = True

    def stop(self) -> None:
        """End the thread, once the engine has stopped: until then it asks."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        next_sweep = time.monotonic() + _SWEEP_S
        next_look = time.monotonic() + _RULES_S
        while not self._stopping.is_set():
            try:
                events = self._engine.take_processes(self._wait_ms())
                for decision in self._table.handle(events):
                    self._confirm(decision)
                if self._awaited:
                    self._awaited.difference_update(event[1] for event in events)
                if not self._awaited:
                    self._is_taken_in.set()
                now_ns = _END_OF_TIME if self._is_settling else time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                for decision in self._table.look_again(now_ns):
                    self._confirm(decision)
                if (next_rules := self._next_rules) is not None:
                    self._next_rules, self._rules = None, next_rules
                    self._take_over(next_rules.rules, now_ns)
                if self._rules is not None and time.monotonic() >= next_look:
                    next_look = time.monotonic() + _RULES_S
                    self._take_over(self._rules.maybe_changed(), now_ns)
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + _SWEEP_S
                    self._sweep()
            except Exception:  # after the start nothing but a signal ends the daemon; the sweep heals what was missed
                log.exception("deciding on processes failed")
                self._stopping.wait(1.0)

    def _sweep(self) -> None:
        listed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        forgotten, unknown = self._table.sweep(self._proc.pids())
        if gone := self._proc.gone(forgotten):
            self._engine.end_unseen(gone, listed_ns)
        self._engine.watch_existing(unknown)

    def _wait_ms(self) -> int:
        if self._table.has_waiting:
            return _NAMES_WAIT_MS
        return _PORTS_WAIT_MS if self._table.has_port_rules else _WAIT_MS

    def _take_over(self, rules: Rules | None, now_ns: int) -> None:
        if rules is None:
            return
        changed = 0
        for decision in self._table.replace_rules(rules, now_ns):
            self._confirm(decision)
            changed += 1
        self._engine.ledger()  # answered in turn: once it is here, the decisions are in force
        told = "other rules are taken over processes=%d changed=%d"
        log.info(told, len(self._table), changed, extra={"is_answer": True})

    def _confirm(self, decision: Decision) -> None:
        self._engine.confirm(decision.pid, decision.is_watched, decision.identity, decision.since_ns)
