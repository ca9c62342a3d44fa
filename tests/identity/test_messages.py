"""Messages of the runtimes, against bytes of which the encoding guide of protobuf says what they are."""

from __future__ import annotations

import pytest

from rover.identity.runtimes.messages import message, read


def test_a_question_is_encoded_as_the_guide_says():
    request = message("ListContainersRequest", filter=message("CriFilter", id="ab"))
    assert request.SerializeToString() == b"\x0a\x04\x0a\x02ab"


def test_what_is_not_asked_for_is_passed_over():
    """Field 9 a number, field 15 a message; the label is an entry of key and value."""
    labels = b"\x12\x06\x0a\x01k\x12\x01v"
    found = read("Container", b"\x0a\x01a\x48\x96\x01" + labels + b"\x7a\x02\x08\x01\x1a\x01i")
    assert (found.id, dict(found.labels), found.image) == ("a", {"k": "v"}, "i")


def test_an_empty_answer_has_no_names():
    assert list(read("ListNamespacesResponse", b"").namespaces) == []
    assert read("GetContainerResponse", b"").container.image == ""


@pytest.mark.parametrize("raw", [b"\x0a\x05abc", b"\x0a", b"\xff", b"\x0b", b"\x0a\x01\xff"])
def test_a_message_that_is_cut_or_broken_is_an_error(raw):
    with pytest.raises(ValueError, match=r"."):
        read("Container", raw)
