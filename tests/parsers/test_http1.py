"""The HTTP/1 observer against httptools, an independent parser, over generated streams."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parsers import streams
from tests.parsers.judge import RefusedError, judge_requests, judge_responses
from tests.parsers.observer import Direction, Missed, Observer, Seen, messages
from tests.parsers.streams import Part

# Examples do not depend on each other: each is a connection of its own in one long-lived program.
thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    observer = Observer()
    yield observer
    observer.close()


@thorough
@given(data=st.data(), parts=streams.requests())
def test_requests_are_seen_as_httptools_sees_them(observer: Observer, data: st.DataObject, parts: list[Part]) -> None:
    """RFC 9112; however the stream is cut into operations."""
    stream = streams.joined(parts)
    expected = judge_requests(stream)
    told = observer.observe([Seen("request", piece) for piece in data.draw(streams.slices(stream))])
    assert messages(told, "request") == expected


@thorough
@given(data=st.data(), parts=streams.responses())
def test_responses_are_seen_as_httptools_sees_them(observer: Observer, data: st.DataObject, parts: list[Part]) -> None:
    """RFC 9112; however the stream is cut into operations."""
    stream = streams.joined(parts)
    expected = judge_responses(stream)
    told = observer.observe([Seen("response", piece) for piece in data.draw(streams.slices(stream))])
    found = messages(told, "response")
    # The end of the connection ends a body; httptools is not told of it.
    assert found[: len(expected)] == expected
    assert len(found) - len(expected) <= 1


@thorough
@given(stream=streams.changed(streams.requests()))
def test_changed_requests_that_httptools_accepts_are_seen_alike(observer: Observer, stream: bytes) -> None:
    """What a strict server accepts an observer must not misread."""
    try:
        expected = judge_requests(stream)
    except RefusedError:
        return
    assert messages(observer.observe([Seen("request", stream)]), "request") == expected


@thorough
@given(stream=streams.changed(streams.responses()))
def test_changed_responses_that_httptools_accepts_are_seen_alike(observer: Observer, stream: bytes) -> None:
    """What a strict client accepts an observer must not misread."""
    try:
        expected = judge_responses(stream)
    except RefusedError:
        return
    found = messages(observer.observe([Seen("response", stream)]), "response")
    assert found[: len(expected)] == expected


@thorough
@given(data=st.data(), direction=st.sampled_from(["request", "response"]))
def test_content_that_nobody_saw_changes_nothing(observer: Observer, data: st.DataObject, direction: Direction) -> None:
    """A body of known length, or the data of a chunk, is skipped without its bytes."""
    parts = data.draw(streams.requests() if direction == "request" else streams.responses())
    operations: list[Seen | Missed] = []
    for part in parts:
        seen = data.draw(st.integers(0, len(part.data))) if part.is_content else len(part.data)
        operations.append(Seen(direction, part.data[:seen]))
        if part.is_content:
            operations.append(Missed(direction, len(part.data) - seen))
    assert observer.observe(operations) == observer.observe([Seen(direction, streams.joined(parts))])


@thorough
@given(stream=st.binary(max_size=200), direction=st.sampled_from(["request", "response"]))
def test_random_bytes_are_no_messages(observer: Observer, stream: bytes, direction: Direction) -> None:
    """Nothing is invented."""
    assert not messages(observer.observe([Seen(direction, stream)]), direction)
