"""Connections of HTTP/2 of which the test says every frame: whatever RFC 9113 allows, and some things it does not."""

import os
import random
import socket
import threading
from dataclasses import replace

import pytest

from tests.fidelity.messages import request, response
from tests.http2.frames import PREFACE, Conversation, answered, asked
from tests.stage.exchange import ANY

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def speak(dialogue):
    """Opens a connection that speaks HTTP/2: `speak(is_greeted=True)`."""
    return lambda **what: Conversation(dialogue(), **what)


@pytest.mark.parametrize("piece", [1, 2, 7, 9, 10, 23])
def test_frames_may_be_cut_anywhere(judge, speak, piece):
    """Preface, frame heads and header blocks byte by byte, and in pieces that fit no frame."""
    talk = speak(is_greeted=False)
    ask, answer = talk.dialogue.ask, talk.dialogue.answer
    ask(PREFACE + talk.client.settings(), piece)
    answer(talk.server.settings() + talk.server.acknowledge(), piece)
    truth = []
    for stream in (1, 3, 5):
        ask(talk.client.headers(stream, asked("POST", f"/{stream}"), ends=False, padding=3), piece)
        ask(talk.client.data(stream, b"q" * 50, padding=200), piece)
        answer(talk.server.headers(stream, answered(200), ends=False) + talk.server.data(stream, b"a" * 90), piece)
        truth.append(talk.truth(stream, "POST", f"/{stream}", 200, 50, 90))
    judge.require(talk.dialogue.port, truth)


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_padding_is_no_content(judge, speak, padding):
    """RFC 9113 §6.1 and §6.2; also where the content is not copied because it is long."""
    talk = speak()
    head = talk.client.headers(1, asked("PUT", "/padded"), ends=False, padding=padding, priority=True)
    body = talk.client.data(1, b"q" * 12_000, ends=False, padding=padding) + talk.client.data(1, b"", padding=padding)
    talk.dialogue.ask(head + body)
    talk.dialogue.answer(
        talk.server.headers(1, answered(201), ends=False, padding=padding) + talk.server.data(1, b"a", padding=padding)
    )
    judge.require(talk.dialogue.port, [talk.truth(1, "PUT", "/padded", 201, 12_000, 1)])


@pytest.mark.parametrize("pieces", [[0], [1] * 60, [10, 0, 0, 7], [3] * 400])
def test_header_blocks_may_go_on_in_many_frames(judge, speak, pieces):
    """CONTINUATION (RFC 9113 §6.10), also empty ones."""
    talk = speak()
    cookies = [("cookie", f"name{n}=value{n}") for n in range(60)]
    talk.dialogue.ask(talk.client.headers(1, asked("GET", "/long", *cookies), pieces=pieces))
    talk.dialogue.answer(talk.server.headers(1, answered(200, *cookies), pieces=pieces))
    truth = [talk.truth(1, "GET", "/long", 200), talk.exchange(3, "/after")]
    judge.require(talk.dialogue.port, truth)


def test_frames_that_are_of_no_message_change_nothing(judge, speak):
    """PING, PRIORITY, WINDOW_UPDATE and frames that nobody knows, between all others."""
    talk = speak()
    odd = talk.client.ping() + talk.client.unknown(0) + talk.client.priority(9) + talk.client.window(0)
    head = talk.client.headers(1, asked("POST", "/odd"), ends=False)
    talk.dialogue.ask(odd + head + odd + talk.client.unknown(1) + talk.client.window(1) + talk.client.data(1, b"q"))
    even = talk.server.ping() + talk.server.unknown(0) + talk.server.window(0)
    head = talk.server.headers(1, answered(200), ends=False)
    talk.dialogue.answer(even + head + even + talk.server.unknown(1) + talk.server.data(1, b"a"))
    judge.require(talk.dialogue.port, [talk.truth(1, "POST", "/odd", 200, 1, 1)])


def test_trailers_and_interim_responses_are_told(judge, speak):
    """Several 1xx before the answer, trailers in both directions (RFC 9113 §8.1)."""
    talk = speak()
    talk.dialogue.ask(talk.client.headers(1, asked("POST", "/all"), ends=False))
    talk.dialogue.answer(talk.server.headers(1, answered(100), ends=False))
    talk.dialogue.ask(talk.client.data(1, b"q" * 10, ends=False) + talk.client.headers(1, [("x-sum", "1")]))
    for _ in range(3):
        talk.dialogue.answer(talk.server.headers(1, answered(103, ("link", "</a>")), ends=False))
    talk.dialogue.answer(
        talk.server.headers(1, answered(200), ends=False)
        + talk.server.data(1, b"a" * 20, ends=False)
        + talk.server.headers(1, [("x-sum", "2")])
    )
    judge.require(talk.dialogue.port, [talk.truth(1, "POST", "/all", 200, 10, 20, interim=(100, 103, 103, 103))])


def test_streams_that_are_reset_are_told_with_what_came(judge, speak):
    """RST_STREAM by either side, before and within the answer, and behind it; the connection goes on."""
    talk = speak()
    ask, answer, client, server = talk.dialogue.ask, talk.dialogue.answer, talk.client, talk.server
    ask(client.headers(1, asked("GET", "/by-client")) + client.reset(1))
    ask(client.headers(3, asked("GET", "/by-server")))
    answer(server.reset(3, 7))
    ask(client.headers(5, asked("GET", "/within")))
    answer(server.headers(5, answered(200), ends=False) + server.data(5, b"a" * 10, ends=False) + server.reset(5, 2))
    ask(client.headers(7, asked("POST", "/behind"), ends=False))
    answer(server.headers(7, answered(413), ends=True) + server.reset(7, 0))
    truth = [
        talk.truth(1, "GET", "/by-client", None, 0, None, response_bytes=None, flags={"reset", "no_response"}),
        talk.truth(3, "GET", "/by-server", None, 0, None, response_bytes=ANY, flags={"reset", "no_response"}),
        talk.truth(5, "GET", "/within", 200, 0, 10, flags={"reset"}),
        talk.truth(7, "POST", "/behind", 413, 0, 0, flags={"truncated"}),
        talk.exchange(9, "/after"),
    ]
    judge.require(talk.dialogue.port, truth)


def test_what_is_under_way_at_a_goaway_still_ends(judge, speak):
    """GOAWAY stops new streams only (RFC 9113 §6.8)."""
    talk = speak()
    talk.dialogue.ask(talk.client.headers(1, asked("GET", "/last")))
    talk.dialogue.answer(talk.server.go_away(1))
    talk.dialogue.answer(talk.server.headers(1, answered(200), ends=False) + talk.server.data(1, b"bye"))
    judge.require(talk.dialogue.port, [talk.truth(1, "GET", "/last", 200, 0, 3)])


def test_a_promised_request_is_told_with_its_answer(judge, speak):
    """PUSH_PROMISE (RFC 9113 §8.4); the request has no frames of its own."""
    talk = speak()
    talk.dialogue.ask(talk.client.headers(1, asked("GET", "/page")))
    talk.dialogue.answer(
        talk.server.promise(1, 2, asked("GET", "/style"))
        + talk.server.headers(1, answered(200), ends=False)
        + talk.server.headers(2, answered(200), ends=False)
        + talk.server.data(2, b"style")
        + talk.server.data(1, b"page")
    )
    truth = [
        talk.truth(1, "GET", "/page", 200, 0, 4),
        talk.truth(2, "GET", "/style", 200, 0, 5, request_bytes=ANY),
    ]
    judge.require(talk.dialogue.port, truth)


@pytest.mark.parametrize("size", [0, 100, 4096, 65_536])
def test_header_tables_of_all_sizes_are_followed(judge, speak, size):
    """SETTINGS_HEADER_TABLE_SIZE both ways: size updates within blocks, and evictions (RFC 7541 §4)."""
    talk = speak(is_greeted=False)
    talk.greet({"HEADER_TABLE_SIZE": size}, {"HEADER_TABLE_SIZE": size})
    for end in (talk.client, talk.server):
        end.encoder.header_table_size = size
    truth = []
    chance = random.Random(size)
    for number in range(100):
        more = [(f"x-{chance.randrange(30)}", "v" * chance.randrange(60)) for _ in range(8)]
        truth.append(talk.exchange(2 * number + 1, f"/{chance.randrange(20)}", *more))
        if number in (30, 60):
            # Smaller, then as before: both updates come in the next block (RFC 7541 §4.2).
            for end in (talk.client, talk.server):
                end.encoder.header_table_size = size // 2
                end.encoder.header_table_size = size
    judge.require(talk.dialogue.port, truth)


@pytest.mark.parametrize("streams", [100, 500])
def test_many_streams_at_a_time_keep_their_details(judge, speak, streams):
    """All asked before any is answered, and answered in pieces in an order of their own."""
    talk = speak()
    numbers = [2 * number + 1 for number in range(streams)]
    for number in numbers:
        talk.dialogue.ask(talk.client.headers(number, asked("GET", f"/{number}", ("x-number", str(number)))))
    chance = random.Random(streams)
    chance.shuffle(numbers)
    talk.dialogue.answer(
        b"".join(talk.server.headers(n, answered(200 + n % 7, ("x-number", str(n))), ends=False) for n in numbers)
    )
    for _ in range(2):
        chance.shuffle(numbers)
        talk.dialogue.answer(b"".join(talk.server.data(n, b"d" * (n % 50), ends=False) for n in numbers))
    chance.shuffle(numbers)
    talk.dialogue.answer(b"".join(talk.server.data(n, b"") for n in numbers))
    truth = [talk.truth(n, "GET", f"/{n}", 200 + n % 7, 0, 2 * (n % 50)) for n in numbers]
    judge.require(talk.dialogue.port, truth)


def test_a_websocket_over_http2_counts_its_bytes(judge, speak):
    """Extended CONNECT (RFC 8441): the stream stays open for both."""
    talk = speak()
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), *asked("", "/chat")[1:]]
    talk.dialogue.ask(talk.client.headers(1, fields, ends=False))
    talk.dialogue.answer(talk.server.headers(1, answered(200), ends=False))
    for _ in range(5):
        talk.dialogue.ask(talk.client.data(1, b"\x81\x85abcdhello", ends=False))
        talk.dialogue.answer(talk.server.data(1, b"\x81\x05hello", ends=False))
    other = talk.exchange(3, "/beside")
    talk.dialogue.ask(talk.client.data(1, b""))
    talk.dialogue.answer(talk.server.data(1, b""))
    told = talk.truth(1, "CONNECT", "/chat", 200, 55, 35, kind="websocket", flags={"upgraded"})
    judge.require(talk.dialogue.port, [told, other])


def test_a_tunnel_over_http2_counts_its_bytes(judge, speak):
    """CONNECT has no path (RFC 9113 §8.5)."""
    talk = speak()
    talk.dialogue.ask(talk.client.headers(1, [(":method", "CONNECT"), (":authority", "db:5432")], ends=False))
    talk.dialogue.answer(talk.server.headers(1, answered(200), ends=False))
    talk.dialogue.ask(talk.client.data(1, b"q" * 1000))
    talk.dialogue.answer(talk.server.data(1, b"a" * 2000))
    told = talk.truth(1, "CONNECT", None, 200, 1000, 2000, kind="tunnel", flags={"upgraded"})
    judge.require(talk.dialogue.port, [told])


@pytest.mark.parametrize("piece", [0, 1, 50])
def test_an_upgrade_to_http2_is_followed(judge, speak, piece):
    """`Upgrade: h2c` (RFC 7540 §3.2): asked in HTTP/1.1, answered as stream 1; more streams follow."""
    talk = speak(is_greeted=False)
    ask, answer = talk.dialogue.ask, talk.dialogue.answer
    asking = request("GET", "/first", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    ask(asking, piece)
    switching = response(101, "Connection: Upgrade", "Upgrade: h2c", body=None)
    answer(switching + talk.server.settings(), piece)
    ask(PREFACE + talk.client.settings() + talk.client.acknowledge(), piece)
    answer(talk.server.headers(1, answered(200), ends=False) + talk.server.data(1, b"a" * 5), piece)
    first = talk.truth(1, "GET", "/first", 200, 0, 5, request_bytes=len(asking), response_bytes=ANY)
    truth = [
        replace(first, interim=(101,), flags=frozenset({"upgraded"})),
        talk.exchange(3, "/second"),
        talk.exchange(5, "/third"),
    ]
    judge.require(talk.dialogue.port, truth)


def test_a_server_may_speak_before_its_client(judge, speak):
    """SETTINGS need not wait for the preface (RFC 9113 §3.4)."""
    talk = speak(is_greeted=False)
    talk.dialogue.answer(talk.server.settings(MAX_CONCURRENT_STREAMS=100))
    talk.dialogue.answer(talk.server.window(0))
    talk.dialogue.ask(PREFACE + talk.client.settings())
    judge.require(talk.dialogue.port, [talk.exchange(1, "/a"), talk.exchange(3, "/b")])


def test_preface_settings_and_request_may_come_in_one_write(judge, speak):
    """PITFALLS: not recognised by others."""
    talk = speak(is_greeted=False)
    ask = PREFACE + talk.client.settings() + talk.client.window(0) + talk.client.headers(1, asked("GET", "/at-once"))
    talk.dialogue.ask(ask)
    talk.dialogue.answer(
        talk.server.settings() + talk.server.acknowledge() + talk.server.headers(1, answered(204), ends=True)
    )
    judge.require(talk.dialogue.port, [talk.truth(1, "GET", "/at-once", 204), talk.exchange(3, "/b")])


def mixed(talk, streams, size):
    """Answers of all `streams` in one piece of bytes: heads of later ones between the DATA frames of others."""
    made = b""
    for number in streams:
        made += talk.server.headers(number, answered(200, ("x-number", str(number) * 20)), ends=False)
        for other in streams[: streams.index(number) + 1]:
            made += talk.server.data(other, b"d" * size, ends=False)
    return made + b"".join(talk.server.data(number, b"", ends=True) for number in streams)


SENDERS = ["write", "writev", "sendmsg", "pages"]


@pytest.mark.parametrize("sender", SENDERS)
def test_a_long_write_stays_in_step(judge, speak, sender):
    """A megabyte in one call that has HEADERS of other streams between its DATA frames: no gap, nothing missing."""
    talk = speak()
    streams = list(range(1, 40, 2))
    talk.dialogue.ask(b"".join(talk.client.headers(n, asked("GET", f"/{n}")) for n in streams))
    data = mixed(talk, streams, 5000)
    assert len(data) > 1_000_000
    server = talk.dialogue.server
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    server.settimeout(20)
    cuts = sorted(random.Random(1).sample(range(1, len(data)), 900))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    sizes = []

    def send():
        if sender == "write":
            rest = data
            while rest:
                sizes.append(os.write(server.fileno(), rest))
                rest = rest[sizes[-1] :]
        else:
            at = 0
            while at < len(data):
                left = [part for part in after(parts, at) if part]
                call = os.writev if sender == "writev" else lambda _, buffers: server.sendmsg(buffers)
                buffers = left[:1000] if sender != "pages" else [b"".join(left)[: 64 * 4096]]
                sizes.append(call(server.fileno(), buffers))
                at += sizes[-1]

    sending = threading.Thread(target=send)
    sending.start()
    got = 0
    while got < len(data):
        got += len(talk.dialogue.client.recv(1 << 20))
    sending.join(20)
    assert sum(sizes) == len(data)
    truth = [talk.truth(n, "GET", f"/{n}", 200, 0, 5000 * (len(streams) - i)) for i, n in enumerate(streams)]
    judge.require(talk.dialogue.port, truth)


def after(parts, at):
    """What is left of the buffers behind the first `at` bytes."""
    for part in parts:
        if at < len(part):
            yield part[at:]
        at = max(0, at - len(part))


@pytest.mark.parametrize("piece", [4096, 5000, 30_000])
def test_long_requests_stay_in_step(judge, speak, piece):
    """The same towards the server, in operations that end anywhere within a frame."""
    talk = speak()
    streams = list(range(1, 20, 2))
    made = b"".join(
        talk.client.headers(n, asked("PUT", f"/{n}"), ends=False) + talk.client.data(n, b"q" * 16_000, ends=False)
        for n in streams
    )
    for _ in range(3):
        made += b"".join(talk.client.data(n, b"q" * (1000 + n), ends=False) for n in streams)
    made += b"".join(talk.client.data(n, b"") for n in streams)
    talk.dialogue.ask(made, piece)
    talk.dialogue.answer(b"".join(talk.server.headers(n, answered(200)) for n in streams))
    truth = [talk.truth(n, "PUT", f"/{n}", 200, 16_000 + 3 * (1000 + n), 0) for n in streams]
    judge.require(talk.dialogue.port, truth)
