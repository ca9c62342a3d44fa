"""`rover record`: the raw event stream to a file, for `rover replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rover.cli.settings import capture_options, config_option, load_capture_config

_MIB = 1 << 20

_EXAMPLES = """\b
Examples:
  sudo rover record case.rover --port 8080 --duration 10
  rover replay case.rover --format json

The file holds what the kernel handed over, payload included, and facts about this machine: look at it before
you give it away."""


@click.command(epilog=_EXAMPLES)
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE")
@config_option
@click.option(
    "--most-mib",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="Stop writing at this size.",
)
@click.option(
    "--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop after this time."
)
@capture_options
def command(recording: Path, file: Path | None, most_mib: int, duration: float | None, **capture_flags: Any) -> None:
    """Write the raw events to FILE, from which `rover replay` makes the same records."""
    config, environment = load_capture_config(file, capture_flags)

    from rover.daemon import Capture, StopSignal, notify

    stop = StopSignal()
    capture = Capture(config)
    try:
        capture.engine.record_to(str(recording), most_mib * _MIB)
    except OSError as error:
        raise click.UsageError(f"{recording}: {error.strerror or error}") from error
    print(capture.start(), file=sys.stderr, flush=True)
    notify(environment.notify_socket, "READY=1")
    stop.wait(duration)
    print(capture.finish(), file=sys.stderr, flush=True)
