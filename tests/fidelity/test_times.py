"""When things happened: the test takes the kernel's clock around each step, and the record must lie in between."""

import time
from datetime import UTC, datetime

import pytest

from tests.fidelity.messages import request, response
from tests.stage.deadline import wait_until
from tests.stage.exchange import Exchange

pytestmark = pytest.mark.root

MARGIN_NS = 2_000_000
"""How far the clock that turns seconds since boot into dates may be off."""


def now():
    """The clock of a record's times."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def let_pass(seconds):
    """Let time pass in which nothing happens: it is what these tests measure."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, "time passes", seconds + 1)


class Step:
    """The time span of one step, with `with`."""

    def __enter__(self):
        self.begin = now()
        return self

    def __exit__(self, *_):
        self.end = now()

    def __contains__(self, moment):
        return self.begin <= moment <= self.end


def test_start_first_byte_and_end_lie_in_the_steps_that_made_them(judge, dialogue):
    """Neither the idle time before a request nor the time before its first byte counts; pauses within do."""
    with dialogue() as talk:
        talk.ask(request("GET", "/warm-up"))
        talk.answer(response(200))
        let_pass(0.05)
        with Step() as asking:
            talk.ask(request("POST", "/timed", "Content-Length: 4"))
        let_pass(0.03)
        talk.ask(b"body")
        let_pass(0.03)
        talk.answer(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        let_pass(0.03)
        with Step() as answering:
            talk.answer(response(200, "Content-Length: 10", body=None))
        let_pass(0.03)
        with Step() as ending:
            talk.answer(b"0123456789")
    warm_up, timed = Exchange("GET", "/warm-up", 200), Exchange("POST", "/timed", 200, 4, 10, interim=(103,))
    judge.require(talk.port, [each.on(talk.connection) for each in (warm_up, timed)])
    for side in ("server", "client"):
        record = judge.records(talk.port, side)[1]
        assert record["start_ns"] in asking
        assert record["start_ns"] + record["first_byte_ns"] in answering
        assert record["end_ns"] in ending
        told = datetime.fromisoformat(record["time"][:26]).replace(tzinfo=UTC).timestamp() * 1e9
        assert abs(told - (time.time_ns() - now() + record["start_ns"])) < MARGIN_NS


def test_the_connection_tells_when_it_was_opened(judge, dialogue):
    """Opened within the step that connects, with a handshake shorter than it; the same for every exchange of it."""
    with Step() as opening:
        talk = dialogue()
    with talk:
        for _ in range(2):
            talk.ask(request("GET", "/"))
            talk.answer(response(200))
    judge.require(talk.port, [Exchange("GET", "/", 200).on(talk.connection)] * 2)
    for side in ("server", "client"):
        for record in judge.records(talk.port, side):
            assert record["connection"]["opened_ns"] in opening
            handshake = record["connection"]["handshake_ns"]
            assert handshake is None or 0 < handshake <= opening.end - opening.begin
    assert all(record["connection"]["handshake_ns"] for record in judge.records(talk.port, "client"))


def test_the_two_sides_of_a_connection_agree_on_the_order_of_things(judge, dialogue):
    """A request leaves its client before it reaches its server; the connection ids differ, the addresses mirror."""
    with dialogue() as talk:
        for number in range(20):
            talk.ask(request("GET", f"/{number}"))
            talk.answer(response(200))
    judge.require(talk.port, [Exchange("GET", f"/{number}", 200).on(talk.connection) for number in range(20)])
    pairs = list(zip(judge.records(talk.port, "client"), judge.records(talk.port, "server"), strict=True))
    for client, server in pairs:
        assert client["start_ns"] <= server["start_ns"]
        assert client["end_ns"] >= server["start_ns"]
        assert (client["local"]["port"], client["remote"]["port"]) == (
            server["remote"]["port"],
            server["local"]["port"],
        )
    assert len({each["connection"]["id"] for pair in pairs for each in pair}) == 2
    assert len({each["id"] for pair in pairs for each in pair}) == 40
