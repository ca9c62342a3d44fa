"""HTTP/2 by every way to move bytes through a socket: a mover at one end, a script as truth."""

import pytest

from tests.http2.frames import PREFACE, Conversation, answered, asked
from tests.stage.mover import FILE_SENDERS, PLAIN_RECEIVERS, PLAIN_SENDERS, RING_RECEIVERS, RING_SENDERS, Mover

pytestmark = [pytest.mark.root, pytest.mark.slow]


class Moved:
    """A connection whose one end is the mover, in the terms of a `Dialogue`."""

    def __init__(self, mover, role):
        self.connection = mover.connection
        self.ask, self.answer = (mover.receive, mover.send) if role == "listen" else (mover.send, mover.receive)


def play(mover, role):
    """Short and long messages, several streams at a time, content larger than what is copied."""
    talk = Conversation(Moved(mover, role), is_greeted=False)
    client, server = talk.client, talk.server
    talk.dialogue.ask(PREFACE + client.settings() + client.headers(1, asked("GET", "/first")))
    talk.dialogue.answer(server.settings() + server.headers(1, answered(200), ends=False) + server.data(1, b"small"))
    truth = [talk.truth(1, "GET", "/first", 200, 0, 5)]
    streams = [3, 5, 7]
    asking = b"".join(client.headers(n, asked("PUT", f"/{n}", ("x-fill", "f" * n)), ends=False) for n in streams)
    for turn in range(8):
        asking += b"".join(client.data(n, b"q" * (2000 * n), ends=turn == 7) for n in streams)
    talk.dialogue.ask(asking)
    answering = b"".join(server.headers(n, answered(200, ("x-fill", "f" * n)), ends=False) for n in streams)
    for turn in range(4):
        answering += b"".join(server.data(n, b"a" * (2000 * n), ends=turn == 3) for n in streams)
    talk.dialogue.answer(answering)
    truth += [talk.truth(n, "PUT", f"/{n}", 200, 16_000 * n, 8000 * n) for n in streams]
    return [*truth, talk.exchange(9, "/last")]


@pytest.mark.parametrize("role", ["listen", "connect"])
@pytest.mark.parametrize("receiver", PLAIN_RECEIVERS + RING_RECEIVERS)
def test_every_way_to_receive_gives_the_same_records(judge, ports, tmp_path, mover, role, receiver):
    """Up to 1000 iovecs, ten messages in one call, peeking, kernel threads: never out of step."""
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
    """No hook shows what splice takes from a socket: `no_request` or `no_response`, never a wrong value."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, receiver="splice") as moving:
        truth = play(moving, role)
    other = "client" if role == "listen" else "server"
    judge.require(port, truth, sides=(other,))
    # What the mover itself saw of it: the direction that it sent, whole.
    side = "server" if role == "listen" else "client"
    told = judge.rover.records_of(port, side)
    judge.rover.wait_for(lambda: len(told) >= len(truth))
    assert sorted(each["connection"]["stream"] for each in told) == [1, 3, 5, 7, 9]
    lost = "no_request" if role == "listen" else "no_response"
    by_stream = {each.stream: each for each in truth}
    for each in told:
        exchange = by_stream[each["connection"]["stream"]]
        assert lost in each["flags"]
        if role == "listen":
            assert (each["status"], each["response"]["body_bytes"]) == (exchange.status, exchange.response_body)
        else:
            assert (each["path"], each["request"]["body_bytes"]) == (exchange.path, exchange.request_body)
