"""The end of the program by a signal, whenever it comes."""

import os
import signal
import sys

import pytest

from rover.daemon import StopSignal


@pytest.fixture
def handlers():
    """The handlers of before are back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("line", range(1, 31))
def test_a_signal_at_any_moment_ends_the_wait(handlers, line):
    """Also between taking a lock and waiting on it, where a handler that wants the same lock would stand for ever."""
    stop = StopSignal()
    lines = 0

    def trace(_frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        if lines == line:
            os.kill(os.getpid(), signal.SIGTERM)
        return trace

    sys.settrace(trace)
    try:
        stop.wait(0.05)
    finally:
        sys.settrace(None)
    assert lines > 0
