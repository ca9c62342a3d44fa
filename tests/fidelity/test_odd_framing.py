"""Where one message ends and the next begins. The script of each test is the truth."""

import pytest

from tests.fidelity.messages import chunked, request, response
from tests.stage.exchange import Exchange

pytestmark = pytest.mark.root

CHUNKED = "Transfer-Encoding: chunked"


def test_fifty_pipelined_requests_four_times_are_two_hundred_records(judge, dialogue):
    """Fifty requests in one write, fifty responses in one write; every pair keeps its order."""
    truth = []
    with dialogue() as talk:
        for batch in range(4):
            numbers = range(batch * 50, batch * 50 + 50)
            talk.ask(b"".join(request("POST", f"/{number}", body=b"x" * number) for number in numbers))
            talk.answer(b"".join(response(200 + number % 2, body=b"y" * (number * 7)) for number in numbers))
            truth += [Exchange("POST", f"/{n}", 200 + n % 2, n, n * 7, number=n + 1) for n in numbers]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


@pytest.mark.parametrize("piece", [1, 100, 4096], ids=["1-byte", "100-bytes", "4096-bytes"])
def test_pipelined_messages_in_pieces_keep_their_borders(judge, dialogue, piece):
    """The borders of writes and of messages have nothing to do with each other."""
    with dialogue() as talk:
        talk.ask(b"".join(request("PUT", f"/{number}", body=b"x" * number) for number in range(20)), piece)
        talk.answer(b"".join(response(200, body=b"y" * (number * 3)) for number in range(20)), piece)
    truth = [Exchange("PUT", f"/{number}", 200, number, number * 3) for number in range(20)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_chunks_with_extensions_and_trailers_count_as_their_content(judge, dialogue):
    """RFC 9112 §7.1: the body's size is that of the decoded content, the message's is that on the wire."""
    body = chunked(b"a" * 10, b"b" * 300, extension=';name="quo;ted"', trailers=("X-Sum: 1", "X-More: 2"))
    asked, answered = request("POST", "/chunks", CHUNKED) + body, response(200, CHUNKED, body=None) + body
    with dialogue() as talk:
        talk.ask(asked)
        talk.answer(answered)
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("POST", "/chunks", 200, 310, 310, len(asked), len(answered)), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


@pytest.mark.parametrize("piece", [1, 3, 1000], ids=["1-byte", "3-bytes", "1000-bytes"])
def test_chunks_may_be_cut_anywhere(judge, dialogue, piece):
    """Sizes, line ends and trailers too are cut by writes."""
    body = chunked(b"a", b"bc" * 20, b"d" * 900, trailers=("X-Sum: 1",))
    with dialogue() as talk:
        talk.ask(request("POST", "/cut", CHUNKED) + body, piece)
        talk.answer(response(200, CHUNKED, body=None) + body, piece)
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    judge.require(
        talk.port,
        [each.on(talk.connection) for each in (Exchange("POST", "/cut", 200, 941, 941), Exchange("GET", "/next", 200))],
    )


def test_a_chunk_of_a_megabyte_is_passed_without_its_bytes(judge, dialogue):
    """More than is captured of any write, within one chunk; the size line of the next chunk must still be found."""
    body = chunked(b"m" * 1_000_000, b"n" * 5)
    with dialogue() as talk:
        talk.ask(request("POST", "/mega", CHUNKED) + body)
        talk.answer(response(200, CHUNKED, body=None) + body)
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/mega", 200, 1_000_005, 1_000_005), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_many_chunks_in_one_large_write_are_all_counted(judge, dialogue):
    """400 KB of small chunks written at once exceed what one operation captures: then the record must carry `gap`."""
    body = chunked(*(b"c" * 990 for _ in range(400)))
    with dialogue() as talk:
        talk.ask(request("GET", "/many"))
        talk.answer(response(200, CHUNKED, body=None) + body)
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("GET", "/many", 200, 0, 396_000), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth], excused=frozenset({"gap"}))


@pytest.mark.parametrize(
    "lines", [("Content-Length: 5", "Content-Length: 5"), ("Content-Length: 5, 5",)], ids=["twice", "list"]
)
def test_a_length_said_twice_is_one_length(judge, dialogue, lines):
    """RFC 9112 §6.3, rule 5: identical repeated values are taken as one."""
    with dialogue() as talk:
        talk.ask(request("POST", "/twice", *lines) + b"12345")
        talk.answer(response(200, *lines, body=None) + b"54321")
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/twice", 200, 5, 5), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_chunked_wins_over_a_length(judge, dialogue):
    """RFC 9112 §6.3, rule 3."""
    with dialogue() as talk:
        talk.ask(request("POST", "/both", "Content-Length: 999", CHUNKED) + chunked(b"123"))
        talk.answer(response(200, CHUNKED, "Content-Length: 999", body=None) + chunked(b"4567"))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200))
    truth = [Exchange("POST", "/both", 200, 3, 4), Exchange("GET", "/next", 200)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 1 << 20, 8 << 20])
def test_bodies_of_known_length_have_their_size_whatever_was_captured(judge, dialogue, size):
    """Up to and beyond what is captured of one operation; the exchange behind it proves that the borders were kept."""
    body = b"s" * size
    with dialogue() as talk:
        talk.ask(request("POST", "/sized", body=body))
        talk.answer(response(200, body=body))
        talk.ask(request("GET", "/next"))
        talk.answer(response(200, body=b"1"))
    truth = [Exchange("POST", "/sized", 200, size, size), Exchange("GET", "/next", 200, 0, 1)]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])


def test_a_message_that_begins_in_the_write_that_ends_a_large_body_is_seen(judge, dialogue):
    """The end of one body, a whole message, and the head of the next share one write."""
    first = request("POST", "/first", body=b"f" * 150_000)
    with dialogue() as talk:
        talk.ask(first[:100_000])
        talk.ask(first[100_000:] + request("POST", "/second", body=b"s" * 10) + request("GET", "/third"))
        answers = response(200, body=b"1" * 150_000)
        talk.answer(answers[:100_000])
        talk.answer(answers[100_000:] + response(404, body=b"22") + response(204, body=None))
    truth = [
        Exchange("POST", "/first", 200, 150_000, 150_000),
        Exchange("POST", "/second", 404, 10, 2),
        Exchange("GET", "/third", 204),
    ]
    judge.require(talk.port, [each.on(talk.connection) for each in truth])
