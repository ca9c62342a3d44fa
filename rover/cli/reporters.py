"""The section `reporters` of the configuration: where records go besides the terminal."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rover.config import Config, ConfigError
from rover.daemon import Capture, file_options, oap_options, otlp_options


def add_file_output(capture: Capture, config: Config) -> None:
    """Add the file that records are appended to, if there is one. Raises ConfigError if it cannot be opened.

    It is opened anew on SIGUSR1, which is taken in any case: without a file there is nothing to open, and it must not
    end the program."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: capture.engine.reopen_files())
    options = file_options(config)
    if options is not None:
        with _told("reporters.file.path"):
            capture.engine.add_file(options)


def add_oap_output(capture: Capture, config: Config) -> None:
    """Add the stream to the backend. Raises ConfigError, which names the key, for a file that cannot be used."""
    with _told("reporters.oap"):
        capture.engine.add_oap(oap_options(config, capture.node_name))


def add_otlp_output(capture: Capture, config: Config) -> bool:
    """Add the way to the collector, if there is one; whether there is. Raises ConfigError, which names the key."""
    options = otlp_options(config, capture.node_name)
    if options is not None:
        with _told("reporters.otlp"):
            capture.engine.add_otlp(options)
    return options is not None


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What the engine refuses becomes a ConfigError: it names the key itself, or `where` is it. Of the system's words
    the number that Rust appends is left away."""
    try:
        yield
    except ValueError as error:
        words = re.sub(r" \(os error \d+\)", "", str(error))
        key, found, reason = words.partition(": ")
        if not found or not key.startswith("reporters."):
            key, reason = where, words
        raise ConfigError(reason, key=key, origin=key) from error
