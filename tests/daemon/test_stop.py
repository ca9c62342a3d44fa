"""How the program is asked to end: in a process of its own, as signals are the process's."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """
import sys, time
from rover.daemon.stop import StopSignal
stop = StopSignal()
print("waiting", flush=True)
stop.wait({arguments})
print("ended", flush=True)
{after}
"""


@contextmanager
def waiting(arguments: str = "", after: str = "") -> Iterator[subprocess.Popen[str]]:
    program = PROGRAM.format(arguments=arguments, after=after)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "waiting\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_not_the_program(number):
    with waiting() as process:
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(5) == 0


def test_a_second_interrupt_does_not_wait_for_the_drain():
    with waiting(after="time.sleep(60)") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ended\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


def test_a_second_term_signal_is_no_reason_to_hurry():
    with waiting(after="sys.stdin.readline()") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ended\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.poll() is None


def test_the_wait_ends_with_the_duration():
    begin = time.monotonic()
    with waiting("duration_s=0.7") as process:
        assert process.stdout.readline() == "ended\n"
        assert time.monotonic() - begin >= 0.7
        assert process.wait(5) == 0


def test_the_wait_ends_with_the_condition():
    with waiting("is_over=lambda: True") as process:
        assert process.stdout.readline() == "ended\n"
