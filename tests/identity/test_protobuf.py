"""The few protobuf fields, against the official library."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rover.identity.runtimes.protobuf import fields_of, text_field


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5))
def test_text_and_messages_are_read_as_the_official_library_writes_them(values):
    message = Struct()
    message.update(values)
    found = {}
    for number, entry in fields_of(message.SerializeToString()):
        assert number == 1
        fields = dict(fields_of(entry))
        found[fields.get(1, b"").decode()] = dict(fields_of(fields[2])).get(3, b"").decode()
    assert found == values


@given(st.integers(1, 100), st.text(max_size=300))
def test_what_is_written_is_read_back(number, text):
    assert list(fields_of(text_field(number, text))) == [(number, text.encode())]


def test_numbers_are_passed_over():
    assert list(fields_of(Timestamp(seconds=1 << 40, nanos=5).SerializeToString() + text_field(3, "a"))) == [(3, b"a")]


@given(st.binary(max_size=50))
def test_any_bytes_are_fields_or_an_error(raw):
    with suppress(ValueError):
        assert all(number >= 0 for number, _ in fields_of(raw))


@pytest.mark.parametrize("raw", [b"\x0a\x05abc", b"\x0a", b"\xff", b"\x0b", b"\xff" * 11])
def test_a_message_that_is_cut_or_broken_is_an_error(raw):
    with pytest.raises(ValueError, match="a "):
        list(fields_of(raw))
