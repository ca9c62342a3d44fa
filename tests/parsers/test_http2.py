"""The HTTP/2 observer against h2 and hpack, independent implementations, over generated connections."""

from collections.abc import Iterator
from typing import Any

import hpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parsers import http2_traffic, streams
from tests.parsers.http2_traffic import KEPT, Exchange, Headers, Told, Traffic
from tests.parsers.observer import Direction, Missed, Observer, Seen

thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Messages = dict[tuple[int, Direction], dict[str, Any]]


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    observer = Observer("observe_http2")
    yield observer
    observer.close()


def kept(headers: Headers) -> list[list[str]]:
    """The configured ones; values of secrets are masked."""
    return [[name, "*" if name == "cookie" else value] for name, value in headers if name in KEPT]


def collected(told: list[dict[str, Any]]) -> Messages:
    """Messages by stream and direction, with the flags of the stream's end."""
    found: Messages = {}
    for event in told:
        assert event["event"] != "not_http2"
        if event["event"] == "closed":
            for direction in ("request", "response"):
                if (event["stream"], direction) in found:
                    found[event["stream"], direction]["reset"] = event["reset"]
        elif event["event"] != "goaway":
            message = found.setdefault((event["stream"], event["direction"]), {"interim": []})
            if event["event"] == "interim":
                message["interim"].append(event["status"])
            else:
                message[event["event"]] = event
    return found


def assert_same(found: Messages, judged: dict[tuple[int, Direction], Told]) -> None:
    """All that h2 understood was seen alike, and nothing else."""
    heads = {key for key, message in found.items() if "head" in message}
    assert heads == {key for key, message in judged.items() if message.headers}
    for key in heads:
        message, expected = found[key], judged[key]
        head, end = message["head"], message["complete"]
        headers = dict(expected.headers)
        names = [(":method", "method"), (":scheme", "scheme"), (":path", "target"), (":authority", "authority")]
        assert [head[ours] for _, ours in names] == [headers.get(theirs) for theirs, _ in names]
        assert head["status"] == (int(headers[":status"]) if ":status" in headers else None)
        assert head["headers"] == kept(expected.headers)
        assert not head["partial"]
        assert not head["truncated"]
        assert message["interim"] == expected.interim
        assert (end["complete"], end["gap"]) == (expected.ended, False)
        assert end["body_bytes"] == expected.body_bytes
        assert end["trailers"] == kept(expected.trailers)


@st.composite
def connections(draw: st.DrawFn) -> Traffic:
    """A connection with a few exchanges at a time."""
    traffic = Traffic(huffman=draw(st.booleans()), table_bytes=draw(st.sampled_from([None, None, 0, 100, 65536])))
    exchanges: list[Exchange] = draw(st.lists(http2_traffic.exchanges(), min_size=1, max_size=5))
    traffic.run(exchanges, lambda n: draw(st.integers(0, n - 1)))
    return traffic


@st.composite
def cut(draw: st.DrawFn, operations: list[Seen]) -> list[Seen]:
    """The same bytes in other operations."""
    pieces: list[Seen] = []
    for operation in operations:
        pieces += [Seen(operation.direction, piece) for piece in draw(streams.slices(operation.data))]
    return pieces


@thorough
@given(data=st.data(), traffic=connections())
def test_connections_are_seen_as_h2_sees_them(observer: Observer, data: st.DataObject, traffic: Traffic) -> None:
    """RFC 9113 and RFC 7541; however the bytes are cut into operations."""
    assert_same(collected(observer.observe(data.draw(cut(traffic.operations)))), traffic.told)


@thorough
@given(traffic=connections())
def test_content_that_nobody_saw_changes_nothing(observer: Observer, traffic: Traffic) -> None:
    """The kernel side leaves out the payload of DATA, but for its first byte where that tells the padding."""
    operations: list[Seen | Missed] = []
    for operation in traffic.operations:
        operations += without_content(operation)
    assert collected(observer.observe(operations)) == collected(observer.observe(traffic.operations))


def without_content(operation: Seen) -> list[Seen | Missed]:
    """An operation of whole frames, as the kernel side gives it."""
    parts: list[Seen | Missed] = []
    at = 24 if operation.data.startswith(b"PRI ") else 0
    seen = operation.data[:at]
    while at < len(operation.data):
        length, kind, flags = (
            int.from_bytes(operation.data[at : at + 3]),
            operation.data[at + 3],
            operation.data[at + 4],
        )
        end = at + 9 + length
        is_data = kind == 0 and length > 0
        until = at + 9 + (1 if flags & 8 else 0) if is_data else end
        seen += operation.data[at:until]
        if until < end:
            parts += [Seen(operation.direction, seen), Missed(operation.direction, end - until)]
            seen = b""
        at = end
    return [*parts, Seen(operation.direction, seen)] if seen else parts


@thorough
@given(data=st.data(), traffic=connections())
def test_joining_in_mid_stream_is_never_wrong(observer: Observer, data: st.DataObject, traffic: Traffic) -> None:
    """What depends on HPACK entries from before is absent and flagged; everything else is right."""
    begin = data.draw(st.integers(0, len(traffic.operations)))
    told = collected(observer.observe(traffic.operations[begin:], joining=True))
    whole = collected(observer.observe(traffic.operations))
    for key, message in told.items():
        if "head" not in message:
            continue
        assert "head" in whole[key], (key, message, whole[key])
        head, known = message["head"], whole[key]["head"]
        for name in ("method", "scheme", "authority", "target", "status", "content_type"):
            assert head[name] in (known[name], None)
            assert head[name] == known[name] or head["partial"]
        rest = iter(known["headers"])
        assert all(header in rest for header in head["headers"])
        assert head["partial"] or head["headers"] == known["headers"]


@thorough
@given(data=st.data(), traffic=connections())
def test_missing_bytes_invent_nothing(observer: Observer, data: st.DataObject, traffic: Traffic) -> None:
    """A gap anywhere: what is still told is right as far as it is told, and what is not is flagged."""
    whole = collected(observer.observe(traffic.operations))
    victim = data.draw(st.integers(0, len(traffic.operations) - 1))
    operation = traffic.operations[victim]
    begin = data.draw(st.integers(0, len(operation.data) - 1))
    end = data.draw(st.integers(begin + 1, len(operation.data)))
    gap: list[Seen | Missed] = [
        Seen(operation.direction, operation.data[:begin]),
        Missed(operation.direction, end - begin),
        Seen(operation.direction, operation.data[end:]),
    ]
    operations = [*traffic.operations[:victim], *gap, *traffic.operations[victim + 1 :]]
    for key, message in collected(observer.observe(operations)).items():
        if "head" not in message:
            continue
        head, known = message["head"], whole[key].get("head")
        assert known is not None
        for name in ("method", "scheme", "authority", "target", "status"):
            assert head[name] == known[name] or (head[name] is None and (head["partial"] or head["truncated"]))
        complete, expected = message["complete"], whole[key]["complete"]
        assert complete["body_bytes"] in (expected["body_bytes"], None) or complete["gap"] or not complete["complete"]


@thorough
@given(
    blocks=st.lists(st.lists(st.tuples(st.sampled_from(KEPT), http2_traffic.values), max_size=8), max_size=12),
    sizes=st.lists(st.sampled_from([0, 60, 300, 4096, 20000, 100000]), max_size=12),
    huffman=st.booleans(),
)
def test_header_blocks_are_decoded_as_hpack_decodes_them(
    observer: Observer, blocks: list[Headers], sizes: list[int], huffman: bool
) -> None:
    """RFC 7541: size updates and evictions in between."""
    encoder, decoder = hpack.Encoder(), hpack.Decoder()
    decoder.max_allowed_table_size = 100000
    stream = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    expected = []
    for n, block in enumerate(blocks):
        if n < len(sizes):
            encoder.header_table_size = sizes[n]
        encoded = encoder.encode([(":method", "GET"), *block], huffman=huffman)
        stream += len(encoded).to_bytes(3) + bytes([1, 5]) + (2 * n + 1).to_bytes(4) + encoded
        expected.append(kept([(str(name), str(value)) for name, value in decoder.decode(encoded)]))
    heads = [event for event in observer.observe([Seen("request", stream)]) if event["event"] == "head"]
    assert [head["headers"] for head in heads] == expected
    assert not any(head["partial"] or head["truncated"] for head in heads)


@thorough
@given(block=st.binary(max_size=60))
def test_blocks_that_hpack_refuses_are_cut(observer: Observer, block: bytes) -> None:
    """What one accepts the other does: nothing is read into bytes that are no header block."""
    stream = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    stream += (len(block) + 1).to_bytes(3) + bytes([1, 5, 0, 0, 0, 1]) + block + b"\x82"
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 1 << 28
    try:
        headers = decoder.decode(block + b"\x82", raw=True)
    except (hpack.HPACKError, UnicodeDecodeError):
        return
    if not any(name == b":method" for name, _ in headers):
        return  # a string of the block goes on into the method's byte: trailers of a request that was not seen
    heads = [event for event in observer.observe([Seen("request", stream)]) if event["event"] == "head"]
    assert [head["truncated"] for head in heads] == [False]
    texts = [(bytes(name).decode("latin-1"), bytes(value).decode("utf-8", "replace")) for name, value in headers]
    assert heads[0]["headers"] == kept(texts)


def test_100_streams_at_a_time(observer: Observer) -> None:
    """Issue C: nothing missing, nothing invented, nothing wrong."""
    headers = [(":method", "GET"), (":scheme", "http"), (":authority", "h")]
    exchanges = [
        Exchange(
            [*headers, (":path", f"/{n}")], [], [], [], [(":status", "200"), ("via", str(n))], [b"x" * n], [], 0, False
        )
        for n in range(100)
    ]
    traffic = Traffic()
    traffic.run(exchanges, lambda left: left // 2)
    assert_same(collected(observer.observe(traffic.operations)), traffic.told)
