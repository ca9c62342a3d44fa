"""Responses that are legal, or happen, and that observers get wrong. The script of each test is the truth."""

import pytest

from tests.fidelity.messages import request, response
from tests.stage.exchange import ANY, Exchange

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, "Content-Length: 5000"), ("GET", 204, None), ("GET", 304, "Content-Length: 5000")],
)
def test_a_response_without_a_body_ends_with_its_head(judge, dialogue, method, status, length):
    """RFC 9112 §6.3: HEAD, 204 and 304 have no body, whatever the head announces; the next exchange begins at once."""
    with dialogue() as talk:
        for number in range(3):
            talk.ask(request(method, f"/{number}"))
            talk.answer(response(status, *([length] if length else []), body=None))
        talk.ask(request("GET", "/last"))
        talk.answer(response(200, body=b"abc"))
    truth = [Exchange(method, f"/{number}", status, number=number + 1) for number in range(3)]
    judge.require(talk.port, [each.on(talk.connection) for each in (*truth, Exchange("GET", "/last", 200, 0, 3))])


def test_interim_responses_are_listed_and_do_not_shift_the_pairs(judge, dialogue):
    """RFC 9110 §15.2: any number of 1xx come before the final response."""
    with dialogue() as talk:
        talk.ask(request("GET", "/hints"))
        talk.answer(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        talk.answer(b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(200, body=b"ready"))
        talk.ask(request("GET", "/next"))
        talk.answer(response(404, body=b"no"))
    truth = [
        Exchange("GET", "/hints", 200, 0, 5, interim=(102, 103, 103)),
        Exchange("GET", "/next", 404, 0, 2),
    ]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_body_that_waits_for_100_continue_is_the_same_request(judge, dialogue):
    """RFC 9110 §10.1.1."""
    head = request("PUT", "/upload", "Expect: 100-continue", "Content-Length: 70000")
    with dialogue() as talk:
        talk.ask(head)
        talk.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
        talk.ask(b"u" * 70000, piece=20000)
        talk.answer(response(201))
    truth = Exchange("PUT", "/upload", 201, 70000, 0, len(head) + 70000, interim=(100,))
    judge.require(talk.port, [truth.on(talk.connection)])


def test_a_final_answer_instead_of_100_continue_ends_the_exchange(judge, dialogue):
    """The client then never sends the body it announced: the next bytes are the next request."""
    with dialogue() as talk:
        talk.ask(request("PUT", "/upload", "Expect: 100-continue", "Content-Length: 70000"))
        talk.answer(response(417))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("PUT", "/upload", 417, 0, flags=ANY), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_response_that_comes_before_the_request_is_complete_is_its_response(judge, dialogue):
    """A server may refuse an upload early; the rest of the request still belongs to the first exchange."""
    head = request("POST", "/early", "Content-Length: 50000")
    with dialogue() as talk:
        talk.ask(head + b"u" * 10000)
        talk.answer(response(413, body=b"too much"))
        talk.ask(b"u" * 40000)
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/early", 413, 50000, 8), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_an_early_response_and_a_close_leave_a_short_request(judge, dialogue):
    """The body's size is what was sent, not what was announced."""
    with dialogue() as talk:
        talk.ask(request("POST", "/early", "Content-Length: 50000") + b"u" * 10000)
        talk.answer(response(413, "Connection: close", body=b"too much"))
        talk.end(talk.server)
        talk.end(talk.client)
    judge.require(talk.port, [Exchange("POST", "/early", 413, 10000, 8, flags=ANY).on(talk.connection)])


def test_a_body_without_length_ends_with_the_connection(judge, dialogue):
    """RFC 9112 §6.3, rule 8."""
    answered = response(200, "Connection: close", body=None) + b"z" * 100_000
    with dialogue() as talk:
        talk.ask(request("GET", "/until-close"))
        talk.answer(answered, piece=30_000)
        talk.end(talk.server)
    truth = Exchange("GET", "/until-close", 200, 0, 100_000, response_bytes=len(answered))
    judge.require(talk.port, [truth.on(talk.connection)])


def test_a_reset_within_a_response_is_flagged_and_its_size_is_what_came(judge, dialogue):
    """Neither side may tell the announced length as sent."""
    with dialogue() as talk:
        talk.ask(request("GET", "/cut"))
        talk.answer(response(200, "Content-Length: 9000", body=None) + b"c" * 4000)
        talk.reset(talk.server)
    judge.require(talk.port, [Exchange("GET", "/cut", 200, 0, 4000).flagged("reset").on(talk.connection)])


def test_a_request_cut_by_a_reset_is_a_record_without_response(judge, dialogue):
    """What was asked stays known."""
    with dialogue() as talk:
        talk.ask(request("POST", "/cut", "Content-Length: 9000") + b"c" * 4000)
        talk.reset(talk.client)
    truth = Exchange("POST", "/cut", None, 4000, None, response_bytes=None).flagged("reset", "no_response")
    judge.require(talk.port, [truth.on(talk.connection)])


def test_a_request_that_is_never_answered_says_so(judge, dialogue):
    """Both ends close in good order."""
    with dialogue() as talk:
        talk.ask(request("GET", "/silence"))
        talk.end(talk.client)
        talk.end(talk.server)
    truth = Exchange("GET", "/silence", None, 0, None, response_bytes=None).flagged("no_response")
    judge.require(talk.port, [truth.on(talk.connection)])


def test_a_client_that_closes_its_half_gets_its_answer(judge, dialogue):
    """The end of the requests is not the end of the connection."""
    with dialogue() as talk:
        talk.ask(request("GET", "/one") + request("GET", "/two"))
        talk.end(talk.client)
        talk.answer(response(200, body=b"1"))
        talk.answer(response(200, body=b"22"))
        talk.end(talk.server)
    truth = [Exchange("GET", "/one", 200, 0, 1), Exchange("GET", "/two", 200, 0, 2)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_response_without_a_request_is_reported_as_orphan(judge, dialogue):
    """Servers send 408 before they close an idle connection."""
    with dialogue() as talk:
        talk.answer(response(408, "Connection: close", body=b"late"))
        talk.end(talk.server)
        talk.end(talk.client)
    truth = Exchange(None, None, 408, None, 4, request_bytes=None).flagged("no_request")
    judge.require(talk.port, [truth.on(talk.connection)])


def test_an_orphan_after_a_whole_exchange_does_not_take_its_place(judge, dialogue):
    """The 408 belongs to no request, and the first exchange stays as it was."""
    with dialogue() as talk:
        talk.ask(request("GET", "/one"))
        talk.answer(response(200, body=b"1"))
        talk.answer(response(408, "Connection: close", body=b"late"))
        talk.end(talk.server)
        talk.end(talk.client)
    orphan = Exchange(None, None, 408, None, 4, request_bytes=None).flagged("no_request")
    judge.require(talk.port, [each.on(talk.connection) for each in (Exchange("GET", "/one", 200, 0, 1), orphan)])


def test_an_event_stream_is_one_record_when_it_ends(judge, dialogue):
    """text/event-stream gives the kind `sse`; the body is all its events."""
    with dialogue() as talk:
        talk.ask(request("GET", "/events", "Accept: text/event-stream"))
        talk.answer(response(200, "Content-Type: text/event-stream; charset=utf-8", body=None))
        for number in range(200):
            talk.answer(f"data: {number:04}\n\n".encode())
        talk.end(talk.server)
    judge.require(talk.port, [Exchange("GET", "/events", 200, 0, 200 * 12, kind="sse").on(talk.connection)])
