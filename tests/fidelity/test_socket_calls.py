"""Every way to move bytes through a socket. A mover does what it is told; the script of the test is the truth."""

import pytest

from tests.fidelity.messages import chunked, request, response
from tests.stage.exchange import Exchange
from tests.stage.mover import FILE_SENDERS, PLAIN_RECEIVERS, PLAIN_SENDERS, RING_RECEIVERS, RING_SENDERS, Mover

pytestmark = pytest.mark.root

SCRIPT = [
    ("GET", b"", 200, b"small"),
    ("POST", b"r" * 3000, 201, b""),
    ("GET", b"", 200, b"s" * 20_000),
    ("PUT", b"r" * 150_000, 200, b"s" * 150_000),
    ("GET", b"", 404, b"end"),
]


def play(mover, role):
    """Make the exchanges of SCRIPT, the mover being server or client."""
    ask, answer = (mover.receive, mover.send) if role == "listen" else (mover.send, mover.receive)
    for number, (method, asked, status, answered) in enumerate(SCRIPT):
        ask(request(method, f"/{number}", "X-Filler: " + "f" * 100, body=asked))
        answer(response(status, "X-Filler: " + "f" * 100, body=answered))
    return [
        Exchange(method, f"/{number}", status, len(asked), len(answered), connection=mover.connection)
        for number, (method, asked, status, answered) in enumerate(SCRIPT)
    ]


@pytest.mark.parametrize("role", ["listen", "connect"])
@pytest.mark.parametrize("receiver", PLAIN_RECEIVERS + RING_RECEIVERS)
def test_every_way_to_receive_gives_the_same_records(judge, ports, tmp_path, mover, role, receiver):
    """Up to 1000 iovecs, ten messages in one call, peeking, kernel threads: never a byte twice or too few."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, receiver=receiver) as moving:
        truth = play(moving, role)
    judge.require(port, truth)


@pytest.mark.parametrize("role", ["listen", "connect"])
@pytest.mark.parametrize("sender", PLAIN_SENDERS + FILE_SENDERS + RING_SENDERS)
def test_every_way_to_send_gives_the_same_records(judge, ports, tmp_path, mover, role, sender):
    """Up to 1000 iovecs, ten messages in one call, zero copy, from a file or pipe, partial writes, kernel threads."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, sender=sender) as moving:
        truth = play(moving, role)
    judge.require(port, truth)


@pytest.mark.parametrize("role", ["listen", "connect"])
def test_bytes_taken_by_splice_are_told_or_told_missing(judge, ports, tmp_path, mover, role):
    """No hook shows what splice takes from a socket, but stream offsets reveal how much: `gap`, never silence."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, receiver="splice") as moving:
        truth = play(moving, role)
    other = "client" if role == "listen" else "server"
    judge.require(port, truth, sides=(other,))
    side = "server" if role == "listen" else "client"
    judge.require(port, truth, sides=(side,), excused=frozenset({"gap", "no_request", "no_response"}))


@pytest.mark.parametrize("how", ["dup", "fork", "pass"])
def test_a_socket_keeps_its_exchanges_when_it_changes_hands(judge, ports, tmp_path, mover, how):
    """Duplicated, inherited, or passed to another process between and within exchanges: one connection, all records."""
    port = ports.pop()
    with Mover(mover, tmp_path, "listen", port) as moving:
        moving.receive(request("GET", "/before"))
        moving.send(response(200, body=b"1"))
        moving.do(how)
        moving.await_done()
        moving.receive(request("GET", "/after"))
        moving.do(how)
        moving.await_done()
        moving.send(response(200, body=b"22"))
        moving.receive(request("POST", "/last", "Transfer-Encoding: chunked") + chunked(b"abc"))
        moving.send(response(204, body=None))
    truth = [
        Exchange("GET", "/before", 200, 0, 1, number=1),
        Exchange("GET", "/after", 200, 0, 2, number=2),
        Exchange("POST", "/last", 204, 3, 0, number=3),
    ]
    judge.require(port, [each.on(moving.connection) for each in truth])
