"""The rows of the table. Each function measures one or two of them and returns their figures."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from types import MappingProxyType

from bench.calibration import run_overhead_ns
from bench.results import Figure, median_figure
from bench.setting import (
    Level,
    Load,
    Observed,
    Plan,
    entries_probed,
    https_server,
    observed,
    requests_counted,
    run_http2_load,
    run_load,
    server,
)
from tests.fidelity.messages import request, response
from tests.stage.bpf import Runs, statistics
from tests.stage.cpu import resident_bytes
from tests.stage.dialogue import Dialogue
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import NO_CAUSES, Rover, unexplained

SUSTAINED_PER_SECOND = 20_000
PACED = "function delay() return 3 end"
"""Each connection of wrk waits three milliseconds between requests."""


class Parts:
    """Cost per exchange, round by round: the sum, and the medians of what it consists of."""

    def __init__(self) -> None:
        self.sums: list[float] = []
        self._parts: dict[str, list[float]] = {}

    def add(self, nanoseconds: dict[str, int], exchanges: int) -> None:
        """One round."""
        for name, spent in nanoseconds.items():
            self._parts.setdefault(name, []).append(spent / exchanges / 1000)
        self.sums.append(sum(nanoseconds.values()) / exchanges / 1000)

    def __str__(self) -> str:
        parts = sorted(((median(values), name) for name, values in self._parts.items()), reverse=True)
        return ", ".join(f"{name} {value:.2f}" for value, name in parts if value >= 0.005)


def server_cost(plan: Plan, levels: Sequence[Level]) -> list[Figure]:
    """Row 1: requests per second and CPU of the server per request, without and with rover by turns."""
    off, on = _by_turns(plan, levels, server)
    figures = [
        median_figure(1, "requests per second, rover off", [each.per_second for each in off], "1/s"),
        median_figure(1, "nginx CPU per request, rover off", [each.cpu_us for each in off], plan.unit),
    ]
    for level in levels:
        loads = on[level]
        figures += [
            median_figure(1, f"{level}: requests per second", [each.per_second for each in loads], "1/s"),
            median_figure(1, f"{level}: nginx CPU per request", [each.cpu_us for each in loads], plan.unit),
            median_figure(1, f"{level}: nginx CPU, on / off", _ratios(loads, off), "×", limit=level.server),
        ]
    return figures


OTHERS = "entry and return instructions of SSL_read and SSL_write probed, nothing done there"
MOST_OF_OTHERS = 0.25
"""What rover may add, all of it, of the time that the bare probes of others add. What makes theirs dear is hardly any
instruction, so that where those are counted there is no limit."""


def https_cost(plan: Plan, levels: Sequence[Level], added_us: float | None = None) -> list[Figure]:
    """Row 9: the same over TLS, and what rover adds: probes of the library, and the hooks below them.

    By turns with what others probe, so that both are held against the same."""
    off, on = _by_turns(plan, levels, https_server, {OTHERS: partial(entries_probed, plan)})
    others = _added(on[OTHERS], off)
    most = MOST_OF_OTHERS if plan.unit == "µs" else None
    figures = [
        median_figure(9, "HTTPS: nginx CPU per request, rover off", [each.cpu_us for each in off], plan.unit),
        median_figure(9, f"HTTPS, {OTHERS}: nginx CPU per request, added", others, plan.unit),
    ]
    for level in levels:
        loads, name = on[level], f"HTTPS, {level}: nginx CPU"
        added = _added(loads, off)
        shares = [own / other for own, other in zip(added, others, strict=True)]
        figures += [
            median_figure(9, f"{name} per request, added", added, plan.unit, limit=added_us),
            median_figure(9, f"{name}, added, to that of entry and return", shares, "×", limit=most),
            median_figure(9, f"{name}, on / off", _ratios(loads, off), "×", limit=level.server),
        ]
    return figures


def _added(loads: Sequence[Load], off: Sequence[Load]) -> list[float]:
    return [disturbed.cpu_us - without.cpu_us for disturbed, without in zip(loads, off, strict=True)]


def _ratios(loads: Sequence[Load], off: Sequence[Load]) -> list[float]:
    return [with_rover.cpu_us / without.cpu_us for with_rover, without in zip(loads, off, strict=True)]


Disturbance = Callable[[Nginx], AbstractContextManager[object]]


def _observing(plan: Plan, level: Level) -> Disturbance:
    return lambda _: observed(replace(plan, level=level))


def _by_turns(
    plan: Plan,
    levels: Sequence[Level],
    serve: Callable[[Path], AbstractContextManager[Nginx]],
    others: Mapping[str, Disturbance] = MappingProxyType({}),
) -> tuple[list[Load], dict[Level | str, list[Load]]]:
    """Loads with nobody watching, and by the rover of each level and whatever else there is to compare with."""
    off: list[Load] = []
    disturbances: dict[Level | str, Disturbance] = {level: _observing(plan, level) for level in levels}
    disturbances.update(others)
    on: dict[Level | str, list[Load]] = {name: [] for name in disturbances}
    with serve(plan.folder / "nginx") as nginx:
        run_load(nginx, plan, seconds=1)
        for _ in range(plan.rounds):
            off.append(run_load(nginx, plan))
            for name, disturb in disturbances.items():
                with disturb(nginx):
                    on[name].append(run_load(nginx, plan))
    return off, on


def completeness(plan: Plan, seconds: int = 60) -> list[Figure]:
    """Row 2: requests that nginx counted against exchanges that were received, at a steady rate and at full speed."""
    figures = []
    with server(plan.folder / "nginx") as nginx:
        # How many connections make that rate depends on the machine.
        few = run_load(nginx, replace(plan, connections=64), PACED, 1)
        many = min(1000, round(64 * SUSTAINED_PER_SECOND / few.per_second))
    for name, script, connections, length in (
        (f"about {SUSTAINED_PER_SECOND}/s for {seconds} s", PACED, many, seconds),
        ("at full speed", None, plan.connections, plan.seconds),
    ):
        with server(plan.folder / "nginx") as nginx:
            before = requests_counted(nginx)
            with observed(plan) as observation:
                load = run_load(nginx, replace(plan, connections=connections), script, length)
                counted = requests_counted(nginx) - before
        assert observation.ledger is not None
        assert observation.received is not None
        assert observation.peak_bytes is not None
        losses = {cause: count for cause, count in observation.ledger.items() if count and cause not in NO_CAUSES}
        share, detail = 100 * observation.received / counted, f"{observation.received} of {counted}, ledger {losses}"
        figures += [
            Figure(2, f"{name}: rate", load.per_second, "1/s"),
            Figure(2, f"{name}: reported of counted", share, "%", limit=100, is_least=True, detail=detail),
            Figure(2, f"{name}: events unexplained", abs(unexplained(observation.ledger)), "", limit=0),
            Figure(5, f"{name}: largest resident memory", observation.peak_bytes / 1e6, "MB", limit=200),
        ]
    return figures


def native_cost(plan: Plan) -> list[Figure]:
    """Rows 3 and 4: BPF and engine per server-side exchange, encoding and sending to the receiver included.

    rover's programs run in wrk as well, and pass over it: that is measured with nobody to watch, and told apart."""
    return _cost(plan, str(plan.level), (3, 4), server, run_load)


def http2_cost(plan: Plan, streams: int) -> list[Figure]:
    """Row 8: the same of HTTP/2 with ten headers a request, so many streams at a time on each connection."""
    name = f"HTTP/2, {streams} at a time, {plan.level}"
    return _cost(plan, name, (8, 8), partial(server, listen="http2"), partial(run_http2_load, streams=streams))


def _cost(
    plan: Plan,
    name: str,
    rows: tuple[int, int],
    serve: Callable[[Path], AbstractContextManager[Nginx]],
    run: Callable[..., Load],
) -> list[Figure]:
    level = plan.level
    engine, bpf, passing = Parts(), Parts(), Parts()
    runs: list[float] = []
    overhead = run_overhead_ns()
    with serve(plan.folder / "nginx") as nginx:
        for _ in range(plan.rounds):
            with statistics(), observed(plan, "no-such-program") as observation:
                exchanges = _loaded(observation, run, nginx, plan)
                passing.add(_own_times(observation.runs(), overhead), exchanges)
            with statistics(), observed(plan) as observation:
                exchanges = _loaded(observation, run, nginx, plan)
                ran, spent = observation.runs(), observation.cpu_ns()
            bpf.add(_own_times(ran, overhead), exchanges)
            engine.add(spent, exchanges)
            runs.append(sum(each.runs for each in ran.values()) / exchanges)
    # Whom it belongs to cannot be seen from outside, but the client of a pair does what the server does.
    sums = [both - by / 2 for both, by in zip(bpf.sums, passing.sums, strict=True)]
    return [
        median_figure(rows[0], f"{name}: BPF per exchange", sums, plan.unit, limit=level.bpf_us, detail=str(bpf)),
        median_figure(rows[0], f"{name}: BPF, nobody watched, both ends", passing.sums, plan.unit),
        median_figure(rows[0], f"{name}: BPF program runs, both ends", runs, ""),
        median_figure(
            rows[1],
            f"{name}: rover CPU per exchange",
            engine.sums,
            plan.unit,
            limit=level.engine_us,
            detail=str(engine),
        ),
    ]


def _loaded(observation: Observed, run: Callable[..., Load], nginx: Nginx, plan: Plan) -> int:
    """Load for a while and count costs from there on; the exchanges that they are for."""
    run(nginx, plan, seconds=1)
    observation.mark()
    return run(nginx, plan).requests


def _own_times(ran: dict[str, Runs], overhead_ns: float) -> dict[str, int]:
    """Nanoseconds of each program, without what the statistics take of every run."""
    return {name: max(0, round(each.time_ns - each.runs * overhead_ns)) for name, each in ran.items()}


def idle_memory(plan: Plan) -> list[Figure]:
    """Row 5: resident memory of a daemon that has nothing to tell."""
    with observed(plan) as observation:
        return [Figure(5, "resident memory, idle", resident_bytes(observation.rover.pid) / 1e6, "MB", limit=80)]


def start(plan: Plan) -> list[Figure]:
    """Row 6: from the start of the process to `ready`, and to the first record on stdout."""
    ready: list[float] = []
    first: list[float] = []
    for _ in range(plan.rounds):
        talk = Dialogue(free_port())
        begin = time.monotonic()
        with talk, Rover("--port", str(talk.port)) as rover:
            assert rover.ready_seconds is not None
            ready.append(rover.ready_seconds)
            while not rover.wait_for(partial(bool, rover.records), 0.02):
                talk.ask(request("GET", "/first"))
                talk.answer(response(200))
                assert time.monotonic() < begin + 30, "no record"
            first.append(time.monotonic() - begin)
    return [
        median_figure(6, "start to ready", ready, "s", limit=2),
        median_figure(6, "start to first record", first, "s", limit=2),
    ]


def bystander(plan: Plan) -> list[Figure]:
    """Row 7: a process that makes nothing but system calls, none of them on a socket: `dd bs=1`."""
    dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=1000000", "status=none"]

    def once() -> float:
        begin = time.monotonic()
        subprocess.run(dd, check=True)
        return time.monotonic() - begin

    off: list[float] = []
    on: list[float] = []
    once()
    for _ in range(plan.rounds):
        off += [once(), once()]
        with observed(plan):
            on += [once(), once()]
    # The fastest run is the one that the rest of the machine disturbed least.
    slow_down = 100 * (min(on) / min(off) - 1)
    return [
        median_figure(7, "dd bs=1, a million times, rover off", off, "s"),
        median_figure(7, "dd bs=1, a million times, rover on", on, "s"),
        Figure(7, "slow-down of the fastest run", slow_down, "%", limit=2, detail="noise is a few %"),
    ]
