"""What rover says about itself: lines on stderr, repeated ones counted instead of repeated, no tracebacks.

A message is a text with `name=%s` in it; as JSON each such name is a field of its own."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Any

_QUIET_S = 10.0
_MOST_KINDS = 1000  # of messages that are told apart; there are far fewer in the sources


class OneLine(logging.Formatter):
    """A message as one line; an exception is its type and text, its traceback only under --debug."""

    def __init__(self, *, is_debug: bool) -> None:
        super().__init__("rover: %(levelname)s %(message)s")
        self._is_debug = is_debug

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if self._is_debug:
            return super().format(record)
        error = record.exc_info[1] if record.exc_info else None
        message = record.getMessage().replace("\n", " ")
        told = f" error={type(error).__name__}: {error}".replace("\n", " ") if error else ""
        return f"rover: {record.levelname.lower()} {message}{told}"


class JsonLine(logging.Formatter):
    """A message as one JSON object: `time`, `level`, `logger`, `event`, and its fields."""

    def __init__(self, *, is_debug: bool) -> None:
        super().__init__()
        self._is_debug = is_debug

    def format(self, record: logging.LogRecord) -> str:
        """The object."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        told |= {name: value for name, value in _fields(record).items() if name not in told}
        if record.exc_info and (error := record.exc_info[1]) is not None:
            told["error"] = f"{type(error).__name__}: {error}"
            if self._is_debug:
                told["traceback"] = "".join(traceback.format_exception(error))
        return json.dumps(told, ensure_ascii=False, default=str)


_PLACE = re.compile(r"(?:(\w+)=)?%(?:[-#0 +]*[\d.*]*[a-zA-Z])")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The arguments that the message gives a name."""
    names = [found[1] for found in _PLACE.finditer(str(record.msg).replace("%%", ""))]
    arguments = record.args if isinstance(record.args, tuple) else ()
    return {name: value for name, value in zip(names, arguments, strict=False) if name is not None}


class Sparing(logging.Filter):
    """Lets a message of one place through once in ten seconds, then with the number of those held back."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it; what is rare and asked for (`is_answer`) always."""
        if getattr(record, "is_answer", False):
            return True
        kind = (record.name, record.levelno, str(record.msg))
        now = time.monotonic()
        with self._lock:
            since, held = self._seen.get(kind, (-_QUIET_S, 0))
            if now - since < _QUIET_S:
                self._seen[kind] = (since, held + 1)
                return False
            if len(self._seen) > _MOST_KINDS:
                self._seen.clear()
            self._seen[kind] = (now, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} repeated={held}", ()
        return True


def say(line: str) -> None:
    """A line of stderr that is shown whatever the level, as it is; where the log is JSON, a message like others."""
    formatter = logging.getLogger().handlers[0].formatter if logging.getLogger().handlers else None
    if isinstance(formatter, JsonLine):
        record = logging.LogRecord("rover", logging.INFO, "", 0, line, (), None)
        line = formatter.format(record)
    print(line, file=sys.stderr, flush=True)


def set_up_logging(level: str, form: str = "text", *, is_debug: bool) -> None:
    """Log to stderr from this level on, as `text` or `json`. May be called again."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLine(is_debug=is_debug) if form == "json" else OneLine(is_debug=is_debug))
    if not is_debug:
        handler.addFilter(Sparing())
    logging.basicConfig(level=logging.DEBUG if is_debug else level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.DEBUG if is_debug else logging.WARNING)  # its start is told by us
    threading.excepthook = _log_thread_error


def _log_thread_error(arguments: threading.ExceptHookArgs) -> None:
    name = arguments.thread.name if arguments.thread else "?"
    if arguments.exc_value is not None:
        logging.getLogger("rover").error("thread failed name=%s", name, exc_info=arguments.exc_value)
