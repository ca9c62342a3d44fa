"""The reporter `reporters.file`: records appended to a file, opened anew on SIGUSR1."""

from __future__ import annotations

import re
import signal

from rover.config import Config, ConfigError
from rover.daemon import Capture, file_options


def add_file_output(capture: Capture, config: Config) -> None:
    """Add the file of the configuration, if it names one. Raises ConfigError if it cannot be opened.

    SIGUSR1 is taken in any case: without a file there is nothing to open, and it must not end the program."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: capture.engine.reopen_files())
    options = file_options(config)
    if options is None:
        return
    try:
        capture.engine.add_file(options)
    except ValueError as error:
        key = "reporters.file.path"
        raise ConfigError(without_number(error), key=key, origin=key) from error


def without_number(error: Exception) -> str:
    """What the engine says of a file, without the number that Rust appends to the system's words."""
    return re.sub(r" \(os error \d+\)", "", str(error))
