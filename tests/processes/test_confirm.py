"""The thread, with real processes and an engine that only keeps a queue."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rover.config import Rule
from rover.processes import Confirmer, ProcessTable, Rules

DEADLINE_S = 10


class QueueEngine:
    """Hands out the events that the test puts in and notes what is confirmed."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple] = queue.Queue()
        self.confirmed: list[tuple[int, bool, str | None]] = []
        self.existing: list[int] = []
        self.ended: list[int] = []
        self.failures = 0
        self.changed = threading.Condition()

    def take_processes(self, timeout_ms: int) -> list[tuple]:
        if self.failures:
            self.failures -= 1
            raise OSError("broken")
        try:
            taken = [self.events.get(timeout=timeout_ms / 1000) if timeout_ms else self.events.get_nowait()]
        except queue.Empty:
            return []
        while not self.events.empty():
            taken.append(self.events.get_nowait())
        return taken

    def confirm(self, pid: int, is_watched: bool, identity: str | None, since_ns: int) -> None:
        with self.changed:
            self.confirmed.append((pid, is_watched, identity))
            self.changed.notify_all()

    def watch_existing(self, pids: list[int]) -> None:
        self.existing = pids
        for pid in pids:
            self.events.put(("exec", pid, 0, time.clock_gettime_ns(time.CLOCK_BOOTTIME), "", "", 0, []))

    def end_unseen(self, pids: list[int], listed_ns: int) -> None:
        with self.changed:
            assert listed_ns <= now_ns()
            self.ended += pids
            self.changed.notify_all()

    def ledger(self) -> str:
        return "{}"

    def wait_for(self, pid: int) -> tuple[bool, str | None]:
        def last() -> tuple[bool, str | None] | None:
            return next(((verdict, who) for known, verdict, who in reversed(self.confirmed) if known == pid), None)

        with self.changed:
            assert self.changed.wait_for(lambda: last() is not None, DEADLINE_S), f"{pid} was not decided on"
            return last()


@pytest.fixture
def engine() -> QueueEngine:
    return QueueEngine()


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def a_confirmer(engine: QueueEngine, include=(), exclude=()) -> Confirmer:
    return Confirmer(engine, ProcessTable(Rules(include, exclude), "node-1", 5_000_000_000))


def test_every_running_process_is_taken_in_at_the_start(engine):
    confirmer = a_confirmer(engine)
    confirmer.start()
    try:
        is_watched, identity = engine.wait_for(os.getpid())
        assert is_watched
        known = json.loads(identity)
        assert (known["pid"], known["instance"]) == (os.getpid(), "node-1")
        assert known["executable"] == os.path.realpath("/proc/self/exe")
        assert confirmer.watched > 0
    finally:
        confirmer.stop()
    decided = {pid for pid, _, _ in engine.confirmed}
    assert decided >= set(engine.existing)


def test_the_start_returns_when_all_of_them_are_decided_on(engine):
    confirmer = a_confirmer(engine)
    confirmer.start()
    try:
        assert {pid for pid, _, _ in engine.confirmed} >= set(engine.existing)
    finally:
        confirmer.stop()


def test_a_process_that_begins_is_decided_on(engine):
    confirmer = a_confirmer(engine, exclude=[Rule(exe="cat")])
    confirmer.start()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        engine.events.put(("exec", child.pid, os.getpid(), now_ns(), "cat", "/usr/bin/cat", 0, ["cat"]))
        assert engine.wait_for(child.pid) == (False, None)
    finally:
        child.stdin.close()
        child.wait()
        confirmer.stop()


def test_a_server_is_decided_on_once_it_listens(engine):
    program = (
        "import socket, sys; sys.stdin.readline(); s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
        "print('listening', flush=True); sys.stdin.readline()"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    confirmer = a_confirmer(engine, include=[Rule(port=port)])
    confirmer.start()
    child = subprocess.Popen(
        ["python3", "-c", program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        engine.events.put(("exec", child.pid, os.getpid(), now_ns(), "python3", "/usr/bin/python3", 0, []))
        child.stdin.write("listen\n")
        child.stdin.flush()
        assert child.stdout.readline() == "listening\n"
        assert engine.wait_for(child.pid)[0] is True
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait()
        confirmer.stop()


def test_an_undecided_process_is_decided_when_the_engine_is_about_to_stop(engine):
    confirmer = a_confirmer(engine, exclude=[Rule(port=1)])
    confirmer.start()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        engine.events.put(("exec", child.pid, os.getpid(), now_ns(), "cat", "/usr/bin/cat", 0, ["cat"]))
        engine.wait_for(os.getpid())
        confirmer.settle()
        assert engine.wait_for(child.pid)[0] is True
    finally:
        child.stdin.close()
        child.wait()
        confirmer.stop()


def test_the_thread_ends(engine):
    confirmer = a_confirmer(engine)
    confirmer.start()
    confirmer.stop()
    assert "rover-processes" not in {thread.name for thread in threading.enumerate()}


def test_a_failure_is_logged_and_the_thread_goes_on(engine, caplog):
    engine.failures = 1
    confirmer = a_confirmer(engine)
    confirmer.start()
    try:
        assert engine.wait_for(os.getpid())[0] is True
    finally:
        confirmer.stop()
    assert "deciding on processes failed" in caplog.text


def test_the_engine_is_told_of_ends_that_nothing_told_of(engine, monkeypatch):
    """The event of an end may have found no room: the engine would keep the process for good."""
    monkeypatch.setattr("rover.processes.confirm._SWEEP_S", 0.1)
    confirmer = a_confirmer(engine)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    confirmer.start()
    try:
        engine.wait_for(child.pid)
        child.communicate()
        with engine.changed:
            assert engine.changed.wait_for(lambda: child.pid in engine.ended, DEADLINE_S)
            assert os.getpid() not in engine.ended
    finally:
        confirmer.stop()


def read(file: Path) -> bytes:
    """As the table reads: a bare descriptor."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)


def test_a_fork_and_an_exec_cost_what_reading_some_files_does():
    """Of a living process, decided with a rule that reads the command line too: ten to sixteen times what the kernel
    takes for one file of /proc, 7 µs on a machine that does nothing else, so a thousand a second are a tenth of a core.
    In one run with it, best of five, as other programs make both dearer."""
    table = ProcessTable(Rules([], [Rule(exe="/opt/*", cmdline="*x*")]), "node-1", 0)
    me = os.getpid()
    list(table.handle([("exec", me, 1, now_ns(), "", "", 0, [])]))
    events = [("fork", me, me, now_ns(), "", "", 0, []), ("exec", me, me, now_ns(), "", "", 0, [])]
    stat = Path(f"/proc/{me}/stat")

    def cost_ns(work: Callable[[], object]) -> float:
        begin = time.thread_time_ns()
        for _ in range(200):
            work()
        return (time.thread_time_ns() - begin) / 200

    costs = [(cost_ns(lambda: list(table.handle(events))), cost_ns(lambda: read(stat))) for _ in range(5)]
    decided, file = (min(each) for each in zip(*costs, strict=True))
    assert decided < 25 * file, f"{decided:.0f} ns, {file:.0f} ns for a file"
