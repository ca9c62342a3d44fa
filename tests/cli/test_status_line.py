"""The line below the records, on a terminal that the test holds."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios

import pytest

from rover.cli.status_line import StatusLine, status_text


class FakeCapture:
    watched_processes = 12

    def __init__(self) -> None:
        self.records = 0

    def ledger(self) -> dict[str, int]:
        return {"captured": 9, "reported": 6, "not_http": 3, "ring_full": 0, "in_flight": 0, "records": self.records}


@pytest.fixture
def terminal():
    """Master and slave of a terminal of 24 rows and 80 columns."""
    master, slave = pty.openpty()
    resize(slave, 24, 80)
    yield master, slave
    os.close(master)
    os.close(slave)


def resize(slave: int, rows: int, columns: int) -> None:
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def shown(master: int) -> str:
    """All that was written: the kernel hands it over by pieces, in its own time."""
    text = b""
    while select.select([master], [], [], 0.2)[0]:
        text += os.read(master, 65536)
    return text.decode()


def test_the_last_row_is_kept_from_scrolling_and_given_back(terminal):
    master, slave = terminal
    with StatusLine(slave, FakeCapture()) as line:
        line.update()
        text = shown(master)
        assert "\x1b[1;23r" in text
        assert "\x1b[24;1H\x1b[2K" in text
        assert "12 processes · complete" in text
        assert text.count("\x1b7") == text.count("\x1b8") == 2
        line.update()
        assert "\x1b[1;23r" not in shown(master)
    assert shown(master) == "\x1b7\x1b[r\x1b[24;1H\x1b[2K\x1b8"


def test_another_size_of_the_terminal_moves_it(terminal):
    master, slave = terminal
    with StatusLine(slave, FakeCapture()) as line:
        line.update()
        shown(master)
        resize(slave, 40, 20)
        line.update()
        text = shown(master)
    assert "\x1b[1;39r" in text
    drawn = text.split("\x1b[2m")[1].split("\x1b[0m")[0]
    assert len(drawn) == 19


def test_a_tiny_terminal_has_no_room_for_it(terminal):
    master, slave = terminal
    resize(slave, 3, 80)
    with StatusLine(slave, FakeCapture()) as line:
        line.update()
    os.write(slave, b"end")
    assert shown(master) == "end"


def test_what_was_lost_is_named_and_what_nobody_asked_for_is_no_loss():
    ledger = {
        "captured": 9,
        "reported": 3,
        "not_http": 3,
        "filtered": 1,
        "ring_full": 2,
        "parse_error": 0,
        "records": 4,
    }
    assert status_text(12.345, 7, ledger) == (
        "12.3/s · 4 records · 7 processes · lost 2 operations (ring_full 2) · Ctrl-C ends"
    )
    assert status_text(1234.5, 7, ledger | {"ring_full": 0}) == (
        "1234/s · 4 records · 7 processes · complete · Ctrl-C ends"
    )
