"""The reporter `reporters.file`: records appended to a file."""

from __future__ import annotations

import os

from rover.config import Config, ConfigError
from rover.daemon import Capture


def add_file_output(capture: Capture, config: Config) -> None:
    """Add the file of the configuration, if it names one. Raises ConfigError if it cannot be opened."""
    settings = config.reporters.file
    if settings.path is None:
        return
    try:
        descriptor = os.open(settings.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        key = "reporters.file.path"
        raise ConfigError(f"{settings.path}: {error.strerror}", key=key, origin=key) from error
    capture.engine.add_output(descriptor, settings.format, "{}")
