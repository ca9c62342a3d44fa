"""Records as lines of text."""

from __future__ import annotations

import os
import time

import pytest

from rover.cli.lines import bytes_text, duration_text, line


@pytest.fixture
def _in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.setdefault("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_995, "10.0 µs"),
        (99_949, "99.9 µs"),
        (99_950, "100 µs"),
        (412_000, "412 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (3_200_000, "3.20 ms"),
        (1_040_000_000, "1.04 s"),
        (75_000_000_000, "75.0 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(nanoseconds, text):
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (12_700, "12.4 KiB"),
        (1_048_063, "1023 KiB"),
        (1_048_064, "1.00 MiB"),
        (5 << 30, "5.00 GiB"),
        (5 << 40, "5.00 TiB"),
    ],
)
def test_sizes_are_binary(size, text):
    assert bytes_text(size) == text


def a_record(**changes):
    return {
        "time": "2026-01-31T12:34:56.789012345Z",
        "side": "server",
        "method": "GET",
        "host": "shop.example",
        "path": "/cart",
        "query": "id=*",
        "status": 200,
        "duration_ns": 3_200_000,
        "response": {"body_bytes": 1500},
        "local": {"address": "10.0.0.1", "port": 80, "identity": {"service": "nginx"}},
        "remote": {"address": "::1", "port": 4711, "identity": None},
        "flags": ["pre_existing", "reset"],
        **changes,
    }


@pytest.mark.usefixtures("_in_berlin")
def test_a_line_says_when_what_and_between_whom():
    assert " ".join(line(a_record()).split()) == (
        "2026-01-31 13:34:56.789+01:00 200 GET shop.example/cart?id=* 1.46 KiB 3.20 ms nginx:80 ← [::1]:4711 "
        "pre_existing reset"
    )


def test_a_clients_record_points_to_the_server():
    assert "nginx:80 → [::1]:4711" in line(a_record(side="client"))


@pytest.mark.parametrize(("status", "text"), [(0, "OK"), (5, "NOT_FOUND"), (99, "99"), (None, "–")])
def test_a_call_is_told_with_the_status_of_grpc(status, text):
    """Its HTTP status is 200 whatever became of it."""
    grpc = {"service": "shop.Orders", "method": "List", "status": status}
    assert line(a_record(grpc=grpc, flags=[])).endswith(f" grpc:{text}")


def test_what_was_not_measured_is_a_dash():
    shown = line(a_record(status=None, method=None, duration_ns=None, response={"body_bytes": None}, flags=[]))
    assert shown.split()[2:4] == ["–", "–"]
    assert shown.count("–") == 4


def test_what_a_peer_sent_does_not_reach_the_terminal_as_a_control_character():
    shown = line(a_record(path="/\x1b[2J\x00\u202e", method="G\rT"))
    assert "/\\x1b[2J\\x00\\u202e" in shown
    assert "G\\rT" in shown
