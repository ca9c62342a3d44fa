"""Two state machines of `h2` over a real connection: what they understood of each other is the truth."""

import random

import pytest

from tests.parsers.http2_traffic import Exchange as Asked
from tests.parsers.http2_traffic import Traffic
from tests.stage.exchange import Exchange

pytestmark = pytest.mark.root

NAMES = ("accept", "x-other", "etag", "cookie", "user-agent", "via")


def made_up(chance, number):
    """Any request with any answer: bodies in pieces, trailers, padding, interim responses."""

    def fields():
        return [(chance.choice(NAMES), "v" * chance.randrange(40)) for _ in range(chance.randrange(6))]

    def body():
        return [chance.randbytes(chance.choice([0, 1, 300, 5000])) for _ in range(chance.randrange(4))]

    method = chance.choice(["GET", "POST", "PROPFIND"])
    path = f"/{number}/{chance.randrange(5)}"
    request = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "stage")]
    status = chance.choice(["200", "204", "302", "404", "599"])
    return Asked(
        request=request + fields(),
        body=body(),
        trailers=chance.choice([[], [("x-checksum", "17")]]),
        interim=chance.choices(["100", "103"], k=chance.randrange(3)),
        response=[(":status", status), *fields()],
        answer=body(),
        answer_trailers=chance.choice([[], [("x-sum", "13")]]),
        padding=chance.choice([0, 0, 1, 200]),
        reset=False,
    )


@pytest.mark.parametrize("piece", [0, 1000, 37])
@pytest.mark.parametrize("table", [None, 0, 100, 65_536])
@pytest.mark.parametrize("huffman", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_connections_are_told_as_h2_understood_them(judge, dialogue, piece, table, huffman):
    """RFC 9113 and RFC 7541; however the bytes are cut into operations. `h2` enforces its own windows."""
    chance = random.Random(f"{piece} {table} {huffman}")
    traffic = Traffic(huffman=huffman, table_bytes=table)
    # Four exchanges fit into the windows of a connection, which nobody opens here.
    traffic.run([made_up(chance, number) for number in range(4)], chance.randrange)
    talk = dialogue()
    for seen in traffic.operations:
        (talk.ask if seen.direction == "request" else talk.answer)(seen.data, piece)
    truth = []
    for stream in sorted({stream for stream, _ in traffic.told}):
        asked, answered = traffic.told[stream, "request"], traffic.told[stream, "response"]
        head = dict(asked.headers)
        truth.append(
            Exchange(
                head[":method"],
                head[":path"],
                int(dict(answered.headers)[":status"]),
                asked.body_bytes,
                answered.body_bytes,
                protocol="HTTP/2",
                interim=tuple(answered.interim),
                connection=talk.connection,
                stream=stream,
            )
        )
    assert truth
    judge.require(talk.port, truth)
