"""The reporter `reporters.otlp`: spans and metrics sent to an OpenTelemetry collector."""

from __future__ import annotations

from rover.cli.file_output import without_number
from rover.config import Config, ConfigError
from rover.daemon import Capture, otlp_options


def add_otlp_output(capture: Capture, config: Config) -> bool:
    """Add the way to the collector, if there is one; whether there is. Raises ConfigError, which names the key."""
    options = otlp_options(config, capture.node_name)
    if options is None:
        return False
    try:
        capture.engine.add_otlp(options)
    except ValueError as error:
        key, found, reason = without_number(error).partition(": ")
        if not found or not key.startswith("reporters."):
            key, reason = "reporters.otlp", without_number(error)
        raise ConfigError(reason, key=key, origin=key) from error
    return True
