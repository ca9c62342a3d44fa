"""Connections that stop being HTTP: CONNECT and Upgrade. The script of each test is the truth."""

import pytest

from tests.fidelity.messages import request, response
from tests.stage.exchange import Exchange

pytestmark = pytest.mark.root

UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


def test_a_websocket_counts_the_bytes_of_both_ways_until_it_closes(judge, dialogue):
    """The record is that of the upgrade; what follows is its body in each direction, whatever it looks like."""
    asked = request("GET", "/socket", *UPGRADE)
    answered = response(101, "Connection: Upgrade", "Upgrade: websocket", body=None)
    frames = b"\x82\x7e\x03\xe8" + b"f" * 1000
    with dialogue() as talk:
        talk.ask(asked)
        talk.answer(answered)
        for _ in range(3):
            talk.ask(frames)
            talk.answer(frames * 2)
        talk.ask(request("GET", "/looks-like-a-request"))
        talk.answer(response(200))
        talk.end(talk.client)
        talk.end(talk.server)
    up, down = 3 * len(frames) + len(request("GET", "/looks-like-a-request")), 6 * len(frames) + len(response(200))
    truth = Exchange(
        *("GET", "/socket", 101, up, down, len(asked) + up, len(answered) + down),
        kind="websocket",
        flags=frozenset({"upgraded"}),
        connection=talk.connection,
    )
    judge.require(talk.port, [truth])


def test_bytes_right_behind_a_101_are_no_response(judge, dialogue):
    """A server may speak first, in the very write that switches protocols."""
    with dialogue() as talk:
        talk.ask(request("GET", "/socket", *UPGRADE))
        talk.answer(response(101, "Connection: Upgrade", "Upgrade: websocket", body=None) + b"\x81\x05hello")
        talk.end(talk.server)
        talk.end(talk.client)
    truth = Exchange("GET", "/socket", 101, 0, 7, kind="websocket").flagged("upgraded")
    judge.require(talk.port, [truth.on(talk.connection)])


def test_a_refused_upgrade_stays_http(judge, dialogue):
    """Without 101 nothing changes."""
    with dialogue() as talk:
        talk.ask(request("GET", "/socket", *UPGRADE))
        talk.answer(response(426, body=b"no"))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("GET", "/socket", 426, 0, 2), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_tunnel_by_connect_counts_what_passes(judge, dialogue):
    """RFC 9110 §9.3.6: after a 2xx both directions are opaque; a length in its head means nothing."""
    with dialogue() as talk:
        talk.ask(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
        talk.answer(b"HTTP/1.1 200 Established\r\nContent-Length: 17\r\n\r\n")
        talk.ask(b"\x16\x03\x01" + b"c" * 500)
        talk.answer(b"\x16\x03\x03" + b"s" * 5000)
        talk.end(talk.client)
        talk.end(talk.server)
    truth = Exchange("CONNECT", None, 200, 503, 5003, kind="tunnel").flagged("upgraded")
    judge.require(talk.port, [truth.on(talk.connection)])
    assert {each["host"] for each in judge.records(talk.port, "server")} == {"far.example:443"}


def test_a_refused_connect_stays_http(judge, dialogue):
    """Anything but 2xx is an ordinary response."""
    with dialogue() as talk:
        talk.ask(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
        talk.answer(response(403, body=b"never"))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    judge.require(
        talk.port,
        [
            each.on(talk.connection)
            for each in (Exchange("CONNECT", None, 403, 0, 5, kind="tunnel"), Exchange("GET", "/next", 200))
        ],
    )
