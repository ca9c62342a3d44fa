"""More than rover can take: every loss is counted, none is silent, and afterwards all is told again."""

import os
import signal

import pytest

from tests.fidelity.messages import request, response
from tests.stage.comparison import compare
from tests.stage.dialogue import Dialogue
from tests.stage.exchange import Exchange
from tests.stage.judge import BOTH
from tests.stage.ports import free_port
from tests.stage.rover import Rover, unexplained

pytestmark = pytest.mark.root

SMALL_RING = {"ROVER_KERNEL_RING_BYTES": str(256 * 1024)}
EXPLAINING = frozenset({"gap", "no_request", "no_response"})


def exchange(talk, numbers):
    """Exchanges of these numbers, each with sizes of its own; what is true of them."""
    truth = []
    for number in numbers:
        talk.ask(request("POST", f"/{number}", body=b"x" * (number % 7)))
        talk.answer(response(200, body=b"y" * (number % 11)))
        truth.append(Exchange("POST", f"/{number}", 200, number % 7, number % 11).on(talk.connection))
    return truth


def test_what_does_not_fit_into_the_ring_is_counted_and_marked():
    """rover is stopped by SIGSTOP while more happens than its ring holds: the ledger tells the loss and balances.

    What it tells is right or carries a flag that says why not; what comes after it goes on is complete."""
    port = free_port()
    with Rover("--port", str(port), environment=SMALL_RING) as rover, Dialogue(port) as talk:
        truth = exchange(talk, range(100))
        assert rover.wait_for(lambda: len(rover.records) >= 200)
        os.kill(rover.pid, signal.SIGSTOP)
        truth += exchange(talk, range(100, 3100))
        os.kill(rover.pid, signal.SIGCONT)
        assert rover.wait_for(lambda: len(rover.records) > 300), "the ring is not drained"
        # There is room again, and the ring is empty once the next exchange is told: its events came last.
        later = exchange(talk, range(10_000, 10_001))
        assert rover.wait_for(lambda: all("/10000" in paths_of(rover, talk.port, side) for side in BOTH)), "not told"
        later += exchange(talk, range(20_000, 20_100))
        assert rover.wait_for(lambda: all("/20099" in paths_of(rover, talk.port, side) for side in BOTH)), "not told"
        ledger = rover.stop()
    assert ledger["ring_full"] > 0, ledger
    assert unexplained(ledger) == 0, ledger
    for side in BOTH:
        records = rover.records_of(talk.port, side)
        differences = compare(records, truth + later, EXPLAINING)
        assert not differences.wrong, f"{side} side: {differences}"
        assert all(EXPLAINING & set(each["flags"]) for each in differences.invented), f"{side} side: {differences}"
        assert not records[-1]["flags"], (
            f"{side} side still has {records[-1]['flags']} a hundred exchanges after the loss"
        )
        undisturbed = {f"/{number}" for number in (*range(100), *range(20_000, 20_100))}
        assert undisturbed.isdisjoint(each.path for each in differences.missing), f"{side} side: {differences}"


def paths_of(rover, port, side):
    """The last paths that were told."""
    return [each["path"] for each in rover.records_of(port, side)[-3:]]
