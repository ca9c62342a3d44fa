"""One engine and the thread that decides on processes for it, from start to the final ledger."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from rover._engine import Engine
from rover.config import Config
from rover.daemon.naming import Naming
from rover.daemon.options import engine_options
from rover.identity import Directory
from rover.processes import Confirmer, ProcessTable, Rules, RulesSource

_SECOND_NS = 1_000_000_000

log = logging.getLogger(__name__)


class Capture:
    """Captures as a configuration says. Add outputs to `engine`, then `start`; `finish` once at the end."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError for rules that cannot be used."""
        self._begin = time.monotonic()
        self._drain_s = config.shutdown.seconds
        self.node_name = node_name(config)
        rules = RulesSource(config.watch)
        self.engine = Engine(engine_options(config))
        self._naming = Naming(config, self.node_name, self.engine.name_addresses)
        table = process_table(config, rules.rules, self.node_name, self._naming.directory)
        self._confirmer = Confirmer(self.engine, table, rules=rules)

    def prepare_rules(self, config: Config) -> Callable[[], None]:
        """What makes these rules decide. Raises ConfigError for rules that cannot be used."""
        source = RulesSource(config.watch)
        return lambda: self._confirmer.use(source)

    def prepare_options(self, config: Config) -> Callable[[], None]:
        """What makes the engine take over filters, and what records keep of messages."""
        options = engine_options(config)

        def take_over() -> None:
            self.engine.reconfigure(options)
            self.engine.ledger()  # answered in turn: once it is here, they are in force

        return take_over

    def start(self) -> str:
        """Attach all hooks and take in every running process; returns the line that says so.

        Raises KernelUnsupported, ProgramRejected."""
        self._naming.start()
        self.engine.start()
        self._confirmer.start()
        hooks = self.hooks()
        missing = sum(not hook["attached"] for hook in hooks)
        if missing:
            log.info("hooks=%d cannot be had on this kernel; `rover doctor` tells why and what they feed", missing)
        attached = [hook for hook in hooks if hook["attached"]]
        modes = ",".join(sorted({hook["mode"] for hook in attached}))
        seconds = time.monotonic() - self._begin
        return f"ready hooks={len(attached)}/{len(hooks)} mode={modes} seconds={seconds:.2f}"

    def hooks(self) -> list[dict[str, Any]]:
        """Each hook: name, mode, whether attached, what it feeds, and why not."""
        hooks: list[dict[str, Any]] = json.loads(self.engine.hooks())
        return hooks

    def tls(self) -> dict[str, Any]:
        """TLS libraries: what is probed and how, and which processes could call one before."""
        tls: dict[str, Any] = json.loads(self.engine.tls())
        return tls

    def ledger(self) -> dict[str, int]:
        """Captured, reported, and the causes of all the rest, so far."""
        ledger: dict[str, int] = json.loads(self.engine.ledger())
        return ledger

    def stats(self) -> dict[str, Any]:
        """The engine's own counters."""
        stats: dict[str, Any] = json.loads(self.engine.stats())
        return stats

    def maybe_pulse_s(self) -> float | None:
        """Seconds since the drain thread began its last round; None unless it runs. Asks nobody: it answers always."""
        return self.engine.maybe_pulse_s()

    def traffic(self) -> list[dict[str, Any]]:
        """Sums by service and side, if they are made."""
        traffic: list[dict[str, Any]] = json.loads(self.engine.traffic())
        return traffic

    def collectors(self) -> list[dict[str, Any]]:
        """The ways to OpenTelemetry collectors."""
        collectors: list[dict[str, Any]] = json.loads(self.engine.outputs())["otlp"]
        return collectors

    @property
    def watched_processes(self) -> int:
        """Number of processes that are watched."""
        return self._confirmer.watched

    def is_output_broken(self) -> bool:
        """Whether a reader of the records has gone, as `head` does."""
        return bool(self.stats()["output_broken"])

    def finish(self) -> str:
        """Drain what is in flight, flush, detach; returns the final ledger as JSON."""
        self._confirmer.settle()
        try:
            return self.engine.stop(self._drain_s)  # which still asks for decisions
        finally:
            self._confirmer.stop()
            self._naming.stop()


def process_table(config: Config, rules: Rules, node: str, directory: Directory) -> ProcessTable:
    """A table of processes as the configuration wants it."""
    return ProcessTable(
        rules,
        node,
        int(config.watch.port_wait_seconds * _SECOND_NS),
        directory=directory,
        name_wait_ns=int(config.identity.wait_seconds * _SECOND_NS),
        templates=config.identity.service,
    )


def node_name(config: Config) -> str:
    """The name of this node: as configured, else the host name."""
    return config.node.name or socket.gethostname()
