"""Requests that are legal, or common, and that observers get wrong. The script of each test is the truth."""

import pytest

from tests.fidelity.messages import request, response
from tests.stage.dialogue import FAMILIES
from tests.stage.exchange import Exchange

pytestmark = pytest.mark.root


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exchange_is_told_by_both_sides_in_every_address_family(judge, dialogue, family):
    """IPv4, IPv6 and IPv4 on an IPv6 socket; mapped addresses are given as IPv4."""
    with dialogue(family) as talk:
        asked, answered = request("GET", "/a?b=c"), response(200, body=b"hello")
        talk.ask(asked)
        talk.answer(answered)
    truth = Exchange("GET", "/a", 200, 0, 5, len(asked), len(answered), connection=talk.connection, number=1)
    judge.require(talk.port, [truth])
    address = "::1" if family == "IPv6" else "127.0.0.1"
    for side in ("server", "client"):
        (record,) = judge.records(talk.port, side)
        assert record["local"]["address"] == record["remote"]["address"] == address
        assert record["query"] == "b=c"


@pytest.mark.parametrize(
    "method", ["GET", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "X", "get", "BREW!#$%&'*+-.^_`|~09"]
)
def test_any_token_is_a_method(judge, dialogue, method):
    """RFC 9110 §9.1: a method is a case-sensitive token, and not only those that are registered."""
    with dialogue() as talk:
        talk.ask(request(method, "/thing", body=b"abc"))
        talk.answer(response(201, body=b"done"))
    judge.require(talk.port, [Exchange(method, "/thing", 201, 3, 4).on(talk.connection)])


@pytest.mark.parametrize(
    ("target", "method", "path", "host"),
    [
        ("http://elsewhere:81/a/b?c=d", "GET", "/a/b", "elsewhere:81"),
        ("http://elsewhere", "GET", "/", "elsewhere"),
        ("*", "OPTIONS", "*", "stage"),
        ("/%7Euser/%2e/ü", "GET", "/%7Euser/%2e/ü", "stage"),
        ("//double//slash", "GET", "//double//slash", "stage"),
        ("/" + "long/" * 1500, "GET", "/" + "long/" * 1500, "stage"),
    ],
    ids=["absolute", "absolute-without-path", "asterisk", "escapes", "double-slash", "long"],
)
def test_every_form_of_target_gives_its_path_as_sent(judge, dialogue, target, method, path, host):
    """RFC 9112 §3.2: origin, absolute and asterisk form; the path is neither decoded nor normalised."""
    with dialogue() as talk:
        talk.ask(request(method, target))
        talk.answer(response(204, body=None))
    judge.require(talk.port, [Exchange(method, path, 204).on(talk.connection)])
    assert {record["host"] for record in judge.records(talk.port, "client")} == {host}


def test_lines_that_end_in_a_bare_line_feed_are_lines(judge, dialogue):
    """RFC 9112 §2.2: a recipient may take a single LF as the end of a line, and servers do."""
    with dialogue() as talk:
        talk.ask(b"POST /lf HTTP/1.1\nHost: stage\nContent-Length: 4\n\nbody")
        talk.answer(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("POST", "/lf", 200, 4, 2), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_folded_header_lines_belong_together(judge, dialogue):
    """RFC 9112 §5.2: obs-fold, here in the very header that tells the framing."""
    with dialogue() as talk:
        talk.ask(b"POST /fold HTTP/1.1\r\nHost: stage\r\nTransfer-Encoding:\r\n  chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        talk.answer(b"HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\n c\r\nContent-Length:\r\n 2\r\n\r\nok")
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/fold", 200, 3, 2), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_empty_lines_before_a_request_are_no_request(judge, dialogue):
    """RFC 9112 §2.2: old clients send CRLF behind a body, which a server ignores."""
    with dialogue() as talk:
        talk.ask(b"\r\n\r\n" + request("POST", "/one", body=b"12345"))
        talk.answer(response(200))
        talk.ask(b"\r\n")
        talk.ask(b"\r\n" + request("GET", "/two"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/one", 200, 5), Exchange("GET", "/two", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_head_of_a_thousand_lines_is_a_head(judge, dialogue):
    """Both heads have 1000 lines; what counts stands in the last ones."""
    lines = [f"X-Line-{number}: value {number}" for number in range(1000)]
    with dialogue() as talk:
        asked, answered = request("POST", "/lines", *lines, body=b"tail"), response(200, *lines, body=b"end")
        talk.ask(asked)
        talk.answer(answered)
    truth = Exchange("POST", "/lines", 200, 4, 3, len(asked), len(answered))
    judge.require(talk.port, [truth.on(talk.connection)])


@pytest.mark.parametrize("piece", [0, 1000, 16384], ids=["one-write", "1000-each", "16384-each"])
def test_heads_of_60_kilobytes_are_read_whole(judge, dialogue, piece):
    """capture.head_bytes is 64 KiB; the length of the body comes last in the head."""
    cookie = f"Cookie: {'c' * 60000}"
    with dialogue() as talk:
        talk.ask(request("POST", "/big", cookie, body=b"tail"), piece)
        talk.answer(response(200, cookie, body=b"end"), piece)
    judge.require(talk.port, [Exchange("POST", "/big", 200, 4, 3).on(talk.connection)])


@pytest.mark.parametrize("piece", [0, 20_000], ids=["one-write", "20000-each"])
def test_a_head_above_the_limit_is_told_as_far_as_it_was_read(judge, dialogue, piece):
    """200 KB of head: method, path and status are known, the record says `truncated`, the next exchange is whole.

    Of an operation that long not everything is captured, which may add `gap`."""
    with dialogue() as talk:
        talk.ask(request("GET", "/huge", f"Cookie: {'c' * 200000}"), piece)
        talk.answer(response(200, body=b"end"))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("GET", "/huge", 200, 0, 3).flagged("truncated"), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth], excused=frozenset({"gap"}))


@pytest.mark.parametrize("piece", [1, 2, 7], ids=["1-byte", "2-bytes", "7-bytes"])
def test_messages_in_tiny_pieces_are_whole_messages(judge, dialogue, piece):
    """Each piece is a write of its own, and a read of its own at the other end."""
    with dialogue() as talk:
        talk.ask(request("POST", "/pieces", body=b"x" * 30), piece)
        talk.answer(response(200, body=b"y" * 40), piece)
        talk.ask(request("GET", "/next"), piece)
        talk.answer(response(404, body=b"z"), piece)
    truth = [Exchange("POST", "/pieces", 200, 30, 40), Exchange("GET", "/next", 404, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_http_1_0_with_and_without_keep_alive(judge, dialogue):
    """HTTP/1.0 keeps a connection only when both ends say so."""
    with dialogue() as talk:
        talk.ask(request("GET", "/kept", "Connection: keep-alive", version="HTTP/1.0"))
        talk.answer(response(200, "Connection: keep-alive", body=b"1", version="HTTP/1.0"))
        talk.ask(request("GET", "/last", version="HTTP/1.0"))
        talk.answer(response(200, body=None, version="HTTP/1.0") + b"until the end")
        talk.end(talk.server)
    truth = [
        Exchange("GET", "/kept", 200, 0, 1, protocol="HTTP/1.0"),
        Exchange("GET", "/last", 200, 0, 13, protocol="HTTP/1.0"),
    ]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])
