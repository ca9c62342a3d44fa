"""What no honest endpoint sends: rover lives, stays within bounds, counts it, and what comes beside it is right."""

import os
import random

import hpack
import pytest

from tests.http2.frames import PREFACE, Conversation, answered, asked

pytestmark = pytest.mark.root

MEGABYTE = 1 << 20
GROWTH_BYTES = 32 * MEGABYTE
"""The most that resident memory may grow by one of these: none of them is kept."""


def frame(kind, flags, stream, payload, length=None):
    """A frame whose head may lie."""
    head = (len(payload) if length is None else length).to_bytes(3, "big")
    return head + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A header field that goes into the table, without Huffman."""
    return b"\x40" + _integer(7, len(name)) + name + _integer(7, len(value)) + value


def _integer(bits, value):
    return bytes(hpack.hpack.encode_integer(value, bits))


def bomb():
    """An entry of 4000 bytes, then references to it: 16 KiB of frame are 64 MiB of headers."""
    block = b"\x82\x84\x86" + literal(b"a", b"x" * 4000) + b"\xbe" * 12_000
    return frame(1, 0x5, 1, block)


HEAD = b"\x82\x84\x86"
ATTACKS = {
    "garbage behind the preface": lambda: PREFACE + random.Random(1).randbytes(200_000),
    "garbage behind the settings": lambda: PREFACE + frame(4, 0, 0, b"") + random.Random(2).randbytes(200_000),
    "a bomb": lambda: PREFACE + frame(4, 0, 0, b"") + bomb() * 20,
    "16 MB announced": lambda: PREFACE + frame(4, 0, 0, b"") + frame(1, 0x4, 1, HEAD, (1 << 24) - 1) + b"h" * 500_000,
    "16 MB of settings": lambda: PREFACE + frame(4, 0, 0, b"s" * 600_000, 0xFFFFFC),
    "an endless block": lambda: (
        PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, HEAD) + frame(9, 0, 1, b"\x00\x01a\x01b" * 50) * 4000
    ),
    "empty continuations": lambda: PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, HEAD) + frame(9, 0, 1, b"") * 50_000,
    "a table of 4 GB": lambda: (
        PREFACE + frame(4, 0, 0, b"") + frame(1, 0x5, 1, b"\x3f\xe1\xff\xff\xff\x0f" + HEAD) + bomb()
    ),
    "an index that nobody has": lambda: (
        PREFACE + frame(4, 0, 0, b"") + frame(1, 0x5, 1, HEAD + b"\xff\xff\xff\xff\x0f")
    ),
    "an integer without end": lambda: PREFACE + frame(4, 0, 0, b"") + frame(1, 0x5, 1, HEAD + b"\xff" * 5000),
    "a text that ends early": lambda: (
        PREFACE + frame(4, 0, 0, b"") + frame(1, 0x5, 1, HEAD + b"\x00\x7f\xff\xff\x7fab")
    ),
    "padding longer than the frame": lambda: (
        PREFACE + frame(4, 0, 0, b"") + frame(1, 0xD, 1, b"\xff" + HEAD) + frame(0, 0x9, 1, b"\xffab")
    ),
    "streams that are reset at once": lambda: (
        PREFACE
        + frame(4, 0, 0, b"")
        + b"".join(frame(1, 0x5, n, HEAD) + frame(3, 0, n, b"\0\0\0\x08") for n in range(1, 20_001, 2))
    ),
    "streams that never end": lambda: (
        PREFACE + frame(4, 0, 0, b"") + b"".join(frame(1, 0x4, n, HEAD) for n in range(1, 10_001, 2))
    ),
    "settings without end": lambda: PREFACE + frame(4, 0, 0, b"\0\x01\0\0\0\0") * 20_000,
    "nothing but small frames": lambda: PREFACE + frame(4, 0, 0, b"") + frame(0, 0, 1, b"") * 100_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_bytes_are_survived(judge, dialogue, name):
    """Byte for byte to the server, then another connection, which must be told rightly."""
    attack = ATTACKS[name]()
    before = judge.rover.resident_bytes()
    with dialogue() as attacked:
        attacked.ask(attack)
        attacked.answer(frame(4, 0, 0, b"") + frame(7, 0, 0, b"\0\0\0\x01\0\0\0\x0b"))
    talk = Conversation(dialogue())
    judge.require(talk.dialogue.port, [talk.exchange(1, "/honest"), talk.exchange(3, "/too")])
    assert judge.rover.resident_bytes() < before + GROWTH_BYTES
    for side in ("server", "client"):
        for record in judge.records(attacked.port, side):
            assert record["protocol"] == "HTTP/2"
            assert record["method"] in ("GET", None)


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_answers_are_survived(judge, dialogue, name):
    """The same from the server to a client that asked as it should: its request is told."""
    attack = ATTACKS[name]()[len(PREFACE) :]
    talk = Conversation(dialogue(), is_greeted=False)
    talk.dialogue.ask(PREFACE + talk.client.settings() + talk.client.headers(1, asked("GET", "/asked")))
    talk.dialogue.answer(talk.server.settings() + attack)
    talk.dialogue.client.close()
    talk.dialogue.server.close()
    records = judge.rover.records_of(talk.dialogue.port, "server")
    judge.rover.wait_for(lambda: any(each["path"] == "/asked" for each in records))
    assert [each["method"] for each in records if each["path"] == "/asked"] == ["GET"]
    assert not judge.rover.has_ended()


@pytest.mark.parametrize("seed", range(12))
def test_an_honest_connection_with_a_few_bytes_changed_is_survived(judge, dialogue, seed):
    """Whatever is told of it, rover goes on."""
    chance = random.Random(seed)
    talk = Conversation(dialogue(), is_greeted=False)
    asking = bytearray(
        PREFACE + talk.client.settings() + b"".join(talk.client.headers(n, asked("GET", f"/{n}")) for n in (1, 3, 5, 7))
    )
    answering = bytearray(
        talk.server.settings()
        + b"".join(talk.server.headers(n, answered(200), ends=False) + talk.server.data(n, b"x") for n in (1, 3, 5, 7))
    )
    for data in (asking, answering):
        for _ in range(3):
            data[chance.randrange(24, len(data))] ^= 1 << chance.randrange(8)
    talk.dialogue.ask(bytes(asking), chance.choice([0, 1, 9]))
    talk.dialogue.answer(bytes(answering), chance.choice([0, 1, 9]))
    beside = Conversation(dialogue())
    judge.require(beside.dialogue.port, [beside.exchange(1, "/honest")])
    assert not judge.rover.has_ended()
    assert os.path.exists(f"/proc/{judge.rover.pid}")
