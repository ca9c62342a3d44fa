"""What /proc says, from real processes and, for the odd cases, from folders that look like it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rover.processes.procfs import ProcFs


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        # Popen returns when the descriptors are closed, in the middle of exec: the arguments come a moment later.
        deadline = time.monotonic() + 5
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < deadline:
            os.sched_yield()
        yield process
    finally:
        process.stdin.close()
        process.kill()
        process.wait()


def stat_line(comm: str, flags: int = 0, start_ticks: int = 5) -> str:
    return f"7 ({comm}) S 3 7 7 0 -1 {flags} 1 2 3 4 5 6 7 8 20 0 1 0 {start_ticks} 100 200 0"


@pytest.fixture
def fake(tmp_path: Path):
    def make(stat: str, **files: str) -> ProcFs:
        (tmp_path / "7").mkdir()
        for name, text in {"stat": stat, **files}.items():
            (tmp_path / "7" / name).write_text(text)
        return ProcFs(str(tmp_path))

    return make


def test_a_running_process_is_known_by_its_executable_and_parent():
    with running("cat") as child:
        process = ProcFs().maybe_process(child.pid)
        assert process is not None
        assert (process.comm, process.parent, process.is_kernel_thread) == ("cat", os.getpid(), False)
        assert process.executable == os.path.realpath(shutil.which("cat"))
        assert process.maybe_cmdline() == "cat"
        assert process.maybe_user_id() == os.geteuid()


def test_the_start_time_is_on_the_clock_that_counts_since_boot():
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with running("cat") as child:
        process = ProcFs().maybe_process(child.pid)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        assert before - tick <= process.start_ns <= after


def test_a_process_that_is_gone_is_no_error():
    with running("cat") as child:
        process = ProcFs().maybe_process(child.pid)
    assert ProcFs().maybe_process(child.pid) is None
    assert process.maybe_cmdline() is None
    assert process.maybe_user_id() is None
    assert process.maybe_place() is None


def test_a_process_that_ended_and_was_not_waited_for_is_gone():
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ProcFs().maybe_process(child.pid) is None
    finally:
        child.wait()


def test_only_who_runs_no_more_for_certain_is_gone(monkeypatch):
    """A process may be hidden from /proc, and in another namespace its id is not the kernel's."""
    with running("cat") as ended:
        pass
    ended.wait()
    assert ProcFs().gone([os.getpid(), 1, ended.pid]) == [ended.pid]
    monkeypatch.setattr("rover.processes.procfs._OWN_NAMESPACE", "pid:[1]")
    assert ProcFs().gone([ended.pid]) == []


def test_an_executable_replaced_while_it_runs_keeps_its_name(tmp_path):
    program = tmp_path / "server"
    shutil.copy(os.path.realpath(shutil.which("cat")), program)
    with running(str(program)) as child:
        program.unlink()
        assert os.readlink(f"/proc/{child.pid}/exe").endswith(" (deleted)")
        assert ProcFs().maybe_process(child.pid).executable == str(program)


@pytest.mark.parametrize("comm", ["a) R 1 2 (b", "with space", "(", ")", ""])
def test_a_name_may_hold_brackets_and_spaces(fake, comm):
    process = fake(stat_line(comm)).maybe_process(7)
    assert (process.comm, process.parent, process.start_ns) == (comm, 3, 50_000_000)


def test_a_kernel_thread_has_no_executable(fake):
    process = fake(stat_line("kworker/0:1", flags=0x0420_8060), exe="").maybe_process(7)
    assert process.is_kernel_thread
    assert process.executable is None


@pytest.mark.parametrize("stat", ["", "7", "7 (a", "7 (a) S 3"])
def test_a_stat_file_that_makes_no_sense_is_no_process(fake, stat):
    assert fake(stat).maybe_process(7) is None


def test_arguments_of_a_command_line_are_joined_by_spaces(fake):
    process = fake(stat_line("a"), cmdline="python3\0-m\0http.server\0").maybe_process(7)
    assert process.maybe_cmdline() == "python3 -m http.server"
