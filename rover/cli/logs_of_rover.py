"""What rover says about itself: lines on stderr, repeated ones counted instead of repeated, no tracebacks."""

from __future__ import annotations

import logging
import threading
import time

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


class Sparing(logging.Filter):
    """Lets a message of one place through once in ten seconds, then with the number of those held back."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it."""
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


def set_up_logging(level: str, *, is_debug: bool) -> None:
    """Log to stderr from this level on. May be called again."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(is_debug=is_debug))
    if not is_debug:
        handler.addFilter(Sparing())
    logging.basicConfig(level=logging.DEBUG if is_debug else level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.DEBUG if is_debug else logging.WARNING)  # its start is told by us
    threading.excepthook = _log_thread_error


def _log_thread_error(arguments: threading.ExceptHookArgs) -> None:
    name = arguments.thread.name if arguments.thread else "?"
    if arguments.exc_value is not None:
        logging.getLogger("rover").error("thread failed name=%s", name, exc_info=arguments.exc_value)
