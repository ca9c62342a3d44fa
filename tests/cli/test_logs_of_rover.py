"""What rover says about itself."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime

import pytest

from rover.cli import logs_of_rover
from rover.cli.logs_of_rover import Sparing, say, set_up_logging

log = logging.getLogger("rover.test")


@pytest.fixture(autouse=True)
def _restore():
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


def test_a_message_is_one_line_on_stderr(capsys):
    set_up_logging("info", is_debug=False)
    log.info("hook not attached name=%s", "a\nb")
    log.debug("not shown")
    assert capsys.readouterr().err == "rover: info hook not attached name=a b\n"


def test_an_exception_is_its_type_and_text_without_a_traceback(capsys):
    set_up_logging("info", is_debug=False)
    try:
        raise OSError("disk\nfull")
    except OSError:
        log.exception("writing failed")
    assert capsys.readouterr().err == "rover: error writing failed error=OSError: disk full\n"


def test_as_json_a_message_is_an_object_with_its_fields(capsys):
    """`name=%s` in a message is a field of that name; its own fields cannot be taken over."""
    set_up_logging("info", "json", is_debug=False)
    log.info("other rules are taken over processes=%d changed=%s level=%s 100%%", 7, "a\nb", "x")
    try:
        raise OSError("disk\nfull")
    except OSError:
        log.exception("writing failed path=%r", "/x")
    say("ready hooks=1/2")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [each["level"] for each in told] == ["info", "error", "info"]
    assert told[0]["event"] == "other rules are taken over processes=7 changed=a\nb level=x 100%"
    assert (told[0]["processes"], told[0]["changed"], told[0]["logger"]) == (7, "a\nb", "rover.test")
    assert (told[1]["error"], told[1]["path"]) == ("OSError: disk\nfull", "/x")
    assert "traceback" not in told[1]
    assert told[2]["event"] == "ready hooks=1/2"
    assert all(datetime.fromisoformat(each["time"]).tzinfo for each in told)


def test_debug_shows_the_traceback_and_everything(capsys):
    set_up_logging("error", is_debug=True)
    try:
        raise OSError("disk full")
    except OSError:
        log.debug("writing failed", exc_info=True)
    assert "Traceback" in capsys.readouterr().err


def test_a_thread_that_fails_is_one_line(capsys):
    set_up_logging("info", is_debug=False)

    def fail() -> None:
        raise ValueError("bad")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    assert capsys.readouterr().err == "rover: error thread failed name=worker error=ValueError: bad\n"


def test_what_repeats_is_counted_and_told_ten_seconds_later(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(logs_of_rover.time, "monotonic", lambda: now[0])
    sparing = Sparing()

    def say(text: str, *arguments: object) -> logging.LogRecord | None:
        record = logging.LogRecord("rover.x", logging.WARNING, "x.py", 1, text, arguments, None)
        return record if sparing.filter(record) else None

    assert say("send failed to=%s", "a") is not None
    assert say("send failed to=%s", "b") is None
    assert say("another") is not None
    now[0] += 9.9
    assert say("send failed to=%s", "c") is None
    now[0] += 0.2
    record = say("send failed to=%s", "d")
    assert record.getMessage() == "send failed to=d repeated=2"
    now[0] += 10.1
    assert say("send failed to=%s", "e").getMessage() == "send failed to=e"
