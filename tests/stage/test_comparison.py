"""The judge judged: it must see everything that can be wrong with records."""

import pytest

from .comparison import compare
from .exchange import ANY, Exchange
from .soundness import faults


def record(path="/", status=200, client=40000, **more):
    """A sound record of the server's side."""
    flags = more.pop("flags", [])
    body = more.pop("body", 5)
    return {
        "side": "server",
        "method": "GET",
        "path": path,
        "status": status,
        "protocol": "HTTP/1.1",
        "kind": "http",
        "interim": [],
        "flags": flags,
        "time": "2026-01-02T03:04:05.000000006Z",
        "start_ns": 1000,
        "end_ns": 1500,
        "duration_ns": 500,
        "first_byte_ns": 400,
        "timeline": [["read", 0], ["write", 400]],
        "request": {"bytes": 40, "head_bytes": 40, "body_bytes": 0},
        "response": {"bytes": 60, "head_bytes": 50, "body_bytes": body},
        "local": {"address": "127.0.0.1", "port": 80},
        "remote": {"address": "127.0.0.1", "port": client},
        "connection": {"id": "0123456789abcdef", "exchange": 1, "stream": None, "opened_ns": 900},
        "grpc": None,
        **more,
    }


def truth(path="/", status=200, connection=40000, body=5):
    return Exchange("GET", path, status, 0, body, connection=connection)


def test_records_that_are_the_truth_do_not_differ():
    assert not compare([record("/a"), record("/b")], [truth("/a"), truth("/b")])


def test_what_was_not_told_is_missing():
    differences = compare([record("/a"), record("/c")], [truth("/a"), truth("/b"), truth("/c")])
    assert [each.path for each in differences.missing] == ["/b"]
    assert not differences.invented
    assert not differences.wrong


def test_what_did_not_happen_is_invented():
    differences = compare([record("/a"), record("/a")], [truth("/a")])
    assert len(differences.invented) == 1


def test_the_right_records_in_the_wrong_order_differ():
    assert compare([record("/b"), record("/a")], [truth("/a"), truth("/b")]).wrong


def multiplexed(stream, path="/", status=200):
    connection = {"id": "0123456789abcdef", "exchange": 1, "stream": stream, "opened_ns": 900}
    return record(path, status, protocol="HTTP/2", connection=connection)


def test_records_of_http2_may_come_in_any_order():
    told = [multiplexed(3, "/b"), multiplexed(1, "/a"), multiplexed(5, "/a")]
    asked = [
        Exchange("GET", path, 200, 0, 5, protocol="HTTP/2", connection=40000, stream=stream)
        for stream, path in ((1, "/a"), (3, "/b"), (5, "/a"))
    ]
    assert not compare(told, asked)
    assert len(compare(told, asked[:2]).invented) == 1
    assert len(compare(told[:2], asked).missing) == 1
    differences = compare([*told[:2], multiplexed(5, "/a", 404)], asked)
    assert [each[2] for each in differences.wrong] == [["status"]]


def test_the_right_record_on_the_wrong_connection_differs():
    differences = compare([record(client=1)], [truth(connection=2)])
    assert (len(differences.missing), len(differences.invented)) == (1, 1)


@pytest.mark.parametrize(
    "wrong", [{"status": 404}, {"body": 6}, {"flags": ["gap"]}, {"interim": [100]}, {"kind": "sse"}]
)
def test_every_field_counts(wrong):
    assert len(compare([record(**wrong)], [truth()]).wrong) == 1


def test_a_flag_excuses_a_difference_only_where_it_is_permitted():
    differing = [record(body=3, flags=["gap"])]
    assert compare(differing, [truth()]).wrong
    assert compare(differing, [truth()], frozenset({"gap"})).excused == 1
    assert compare([record(body=3, flags=["gap", "reset"])], [truth()], frozenset({"gap"})).wrong


def test_what_the_judge_does_not_know_equals_everything():
    assert not compare([record(body=3)], [truth(body=ANY)])


@pytest.mark.parametrize(
    "broken",
    [
        {"side": "middle"},
        {"time": "yesterday"},
        {"duration_ns": 499},
        {"first_byte_ns": 501},
        {"timeline": [["write", 400], ["read", 0]]},
        {"flags": ["strange"]},
        {"status": None},
        {"method": None},
        {"request": {"bytes": 39, "head_bytes": 40, "body_bytes": 0}},
        {"connection": {"id": "1", "exchange": 0, "stream": None, "opened_ns": 2000}},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_record_that_breaks_a_rule_of_its_format_is_unsound(broken):
    assert faults(record()) == []
    assert faults(record(**broken))
