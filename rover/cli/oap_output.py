"""The reporter `reporters.oap`: records sent to a backend."""

from __future__ import annotations

from rover.cli.file_output import without_number
from rover.config import Config, ConfigError
from rover.daemon import Capture, oap_options


def add_oap_output(capture: Capture, config: Config) -> None:
    """Add the stream to the backend. Raises ConfigError, which names the key, for a file that cannot be used."""
    options = oap_options(config, capture.node_name)
    try:
        capture.engine.add_oap(options)
    except ValueError as error:
        key, found, reason = without_number(error).partition(": ")
        if not found or not key.startswith("reporters."):
            key, reason = "reporters.oap", without_number(error)
        raise ConfigError(reason, key=key, origin=key) from error
