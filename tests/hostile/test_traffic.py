"""Bytes that no one should send. After each of them rover goes on, and tells the next exchange as ever."""

import random
import signal
import socket
import subprocess
import sys

import pytest

from tests.fidelity.messages import chunked, request, response
from tests.stage.dialogue import Dialogue
from tests.stage.exchange import ANY, Exchange
from tests.stage.ports import wait_listening

pytestmark = pytest.mark.root

MEMORY_BYTES = 200 << 20
CHUNKED = "Transfer-Encoding: chunked"


def noise(seed, size):
    """The same bytes for the same seed, without any that look like HTTP."""
    return random.Random(seed).randbytes(size)


@pytest.fixture
def goes_on(judge, ports):
    """Checks at the end of a test: rover lives, keeps its memory, and tells an ordinary exchange."""
    yield
    with Dialogue(ports.pop()) as talk:
        talk.ask(request("GET", "/afterwards"))
        talk.answer(response(200, body=b"fine"))
    judge.require(talk.port, [Exchange("GET", "/afterwards", 200, 0, 4).on(talk.connection)])
    assert judge.rover.resident_bytes() < MEMORY_BYTES


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_random_bytes_are_no_exchange(judge, dialogue, size):
    """Both ways on a watched port; nothing is invented."""
    for seed in range(5):
        with dialogue() as talk:
            talk.ask(noise(seed, size))
            talk.answer(noise(seed + 100, size))
        judge.require(talk.port, [], seconds=0.1)


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("seed", range(5))
def test_http_that_turns_into_noise_keeps_what_was_told_before(judge, dialogue, seed):
    """A good exchange, then random bytes on the same connection both ways."""
    with dialogue() as talk:
        talk.ask(request("GET", "/good"))
        talk.answer(response(200, body=b"1"))
        talk.ask(noise(seed, 50_000))
        talk.answer(noise(seed + 100, 50_000))
    good = Exchange("GET", "/good", 200, 0, 1).on(talk.connection)
    judge.rover.wait_for(lambda: bool(judge.records(talk.port, "server")))
    assert judge.records(talk.port, "server")[0]["path"] == good.path
    whole = [each for each in judge.records(talk.port, "server") if each["status"] == 200 and each["path"]]
    assert len(whole) == 1


@pytest.mark.usefixtures("goes_on")
def test_a_header_line_of_ten_megabytes_is_told_as_truncated(judge, dialogue):
    """Kept to capture.head_bytes, however long it goes on; the response still finds its request."""
    with dialogue() as talk:
        talk.ask(request("GET", "/long", "X-Long: " + "x" * 10_000_000))
        talk.answer(response(431, body=b"too large"))
    truth = Exchange("GET", "/long", 431, 0, 9).flagged("truncated").on(talk.connection)
    judge.require(talk.port, [truth], excused=frozenset({"gap"}))


@pytest.mark.usefixtures("goes_on")
def test_a_request_line_of_ten_megabytes_does_no_harm(judge, dialogue):
    """The path is longer than any head may be: at most a record that says `truncated`."""
    with dialogue() as talk:
        talk.ask(request("GET", "/" + "x" * 10_000_000))
        talk.answer(response(414))
    judge.rover.wait_for(lambda: bool(judge.records(talk.port, "server")), 2)
    for record in judge.records(talk.port, "server"):
        assert {"truncated", "no_request"} & set(record["flags"])
        assert len(record["path"] or "") < 1 << 17


@pytest.mark.usefixtures("goes_on")
def test_a_nul_in_the_path_does_no_harm(judge, dialogue):
    """Not HTTP by RFC 9110, but someone sends it: the path as sent, or no request at all, never a cut one."""
    with dialogue() as talk:
        talk.ask(request("GET", "/a\0b"))
        talk.answer(response(400, body=b"bad"))
    judge.rover.wait_for(lambda: bool(judge.records(talk.port, "server")), 2)
    for record in judge.records(talk.port, "server"):
        assert record["path"] in ("/a\0b", None)
        assert record["path"] or "no_request" in record["flags"]


@pytest.mark.usefixtures("goes_on")
def test_a_body_longer_than_announced_ends_where_it_was_to_end(judge, dialogue):
    """The surplus belongs to no exchange."""
    with dialogue() as talk:
        talk.ask(request("POST", "/surplus", "Content-Length: 3") + b"12345678")
        talk.answer(response(200, "Content-Length: 2", body=None) + b"okSURPLUS\r\n\r\n")
    judge.require(talk.port, [Exchange("POST", "/surplus", 200, 3, 2).on(talk.connection)])


BAD_FRAMES = {
    "chunk-size-overflow": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
    "chunk-size-largest": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
    "chunk-size-no-number": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
    "chunk-size-endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 1_000_000,
    "chunk-extension-endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"e" * 1_000_000,
    "trailers-endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: v\r\n" * 200_000,
    "length-negative": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
    "length-overflow": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nabc",
    "length-largest": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nabc",
    "lengths-that-differ": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "status-not-a-number": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "status-too-large": b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n",
    "version-unknown": b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no-colon": b"HTTP/1.1 200 OK\r\nno colon at all\r\nContent-Length: 0\r\n\r\n",
    "interim-endless": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "empty-lines-endless": b"\r\n" * 500_000,
    "not-utf-8": b"HTTP/1.1 200 \xff\xfe\r\nX-\xc3\x28: \xa0\xa1\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("answered", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_malformed_response_harms_no_other_exchange(judge, dialogue, answered):
    """Whatever is told of it has the right request, at most once, with no size beyond what was sent."""
    with dialogue() as talk:
        talk.ask(request("GET", "/malformed"))
        talk.answer(answered)
    judge.rover.wait_for(lambda: bool(judge.records(talk.port, "server")), 2)
    records = [each for each in judge.records(talk.port, "server") if each["path"]]
    assert [each["path"] for each in records] in ([], ["/malformed"])
    for record in records:
        assert (record["response"]["body_bytes"] or 0) <= len(answered)


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize(
    "asked",
    [
        b"GET\r\n\r\n",
        b"GET /no-version\r\n\r\n",
        b"GET  /two  spaces  HTTP/1.1\r\n\r\n",
        b" GET /leading HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\n: no name\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + bytes(range(128, 256)) + b" HTTP/1.1\r\n\r\n",
        chunked(b"a chunk without a head"),
        b"GET /header-without-end HTTP/1.1\r\nX: " + b"x" * 300_000,
    ],
    ids=lambda asked: asked[:16].decode("latin-1").strip().replace("\r\n", "|"),
)
def test_a_malformed_request_harms_no_other_exchange(judge, dialogue, asked):
    """Many servers answer these with 400 and go on to close."""
    with dialogue() as talk:
        talk.ask(asked)
        talk.answer(response(400, "Connection: close", body=b"bad"))
        talk.end(talk.server)
    judge.rover.wait_for(lambda: bool(judge.records(talk.port, "server")), 1)
    assert len(judge.records(talk.port, "server")) <= 1


KILLED = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n" + b"k" * 40000)
    connection.recv(4096)
"""


@pytest.mark.usefixtures("goes_on")
def test_a_server_killed_within_a_response_leaves_a_record_of_what_it_sent(judge, ports):
    """SIGKILL: the kernel closes its sockets; both sides tell the part that was sent."""
    port = ports.pop()
    with subprocess.Popen([sys.executable, "-c", KILLED, str(port)]) as server:
        wait_listening(port)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(request("GET", "/killed"))
            head_and_body = 0
            while head_and_body < 40_000:
                head_and_body += len(client.recv(65536))
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            assert client.recv(1) == b""
            connection = client.getsockname()[1]
    judge.require(port, [Exchange("GET", "/killed", 200, 0, 40_000, flags=ANY).on(connection)])
