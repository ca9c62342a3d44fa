"""gRPC-Web, told by its content type; its trailers are the last message of the content."""

import base64

import pytest

from tests.fidelity.messages import chunked, request, response
from tests.http2.frames import Conversation, answered, asked
from tests.stage.exchange import Call, Exchange

pytestmark = pytest.mark.root

PATH = "/shop.v1.Orders/List"
KINDS = [
    "application/grpc-web+proto",
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
]


def message(content, flag=0):
    """A message with its prefix."""
    return bytes([flag]) + len(content).to_bytes(4, "big") + content


def encoded(kind, *messages):
    """As the content type has it: in base64 each message may be for itself."""
    return b"".join(map(base64.b64encode, messages)) if "text" in kind else b"".join(messages)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [0, 5, 16])
def test_status_comes_from_the_trailer_message(judge, dialogue, kind, status):
    """Over HTTP/2; messages are counted without it."""
    talk = Conversation(dialogue())
    trailer = message(f"grpc-status: {status}\r\ngrpc-message: as asked\r\n".encode(), 0x80)
    asking = encoded(kind, message(b"which"))
    answering = encoded(kind, message(b"one"), message(b"two" * 50), trailer)
    talk.dialogue.ask(
        talk.client.headers(1, asked("POST", PATH, ("content-type", kind)), ends=False) + talk.client.data(1, asking)
    )
    talk.dialogue.answer(
        talk.server.headers(1, answered(200, ("content-type", kind)), ends=False) + talk.server.content(1, answering)
    )
    call = Call("shop.v1.Orders", "List", status, 1, 2)
    told = talk.truth(1, "POST", PATH, 200, len(asking), len(answering), kind="grpc", grpc=call)
    judge.require(talk.dialogue.port, [told])


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_may_come_in_the_headers(judge, dialogue, kind):
    """Trailers only: no content at all."""
    talk = Conversation(dialogue())
    talk.dialogue.ask(talk.client.headers(1, asked("POST", PATH, ("content-type", kind))))
    talk.dialogue.answer(talk.server.headers(1, answered(200, ("content-type", kind), ("grpc-status", "7"))))
    call = Call("shop.v1.Orders", "List", 7, 0, 0)
    judge.require(talk.dialogue.port, [talk.truth(1, "POST", PATH, 200, 0, 0, kind="grpc", grpc=call)])


@pytest.mark.parametrize("kind", KINDS)
def test_http1_has_service_and_method(judge, dialogue, kind):
    """Its content is not read there: status and messages are null, not 0."""
    talk = dialogue()
    body = encoded(kind, message(b"which"))
    answering = encoded(kind, message(b"one"), message(b"grpc-status: 0\r\n", 0x80))
    talk.ask(request("POST", PATH, f"Content-Type: {kind}", "X-Grpc-Web: 1", body=body))
    chunks = chunked(answering[:5], answering[5:])
    talk.answer(response(200, f"Content-Type: {kind}", "Transfer-Encoding: chunked", body=None) + chunks)
    call = Call("shop.v1.Orders", "List", None, None, None)
    exchange = Exchange("POST", PATH, 200, len(body), len(answering), kind="grpc", grpc=call)
    judge.require(talk.port, [exchange.on(talk.connection)])


def test_other_content_types_are_no_grpc(judge, dialogue):
    """Only these and `application/grpc` with its suffixes (PITFALLS: a GET without a type was declared gRPC)."""
    talk = Conversation(dialogue())
    truth = []
    for stream, kind in (
        (1, "application/grpcx"),
        (3, "application/json"),
        (5, "text/grpc"),
        (7, "application/grpc-other"),
    ):
        more = (("content-type", kind),)
        truth.append(talk.exchange(stream, PATH, *more))
    judge.require(talk.dialogue.port, truth)
