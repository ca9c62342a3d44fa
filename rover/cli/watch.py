"""`rover watch`: records to stdout or a file, no backend."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rover.cli.output import encoder_options, open_output, output_options, watch_until_stopped
from rover.cli.settings import capture_options, config_option, load_capture_config

_EXAMPLES = """\b
Examples:
  sudo rover watch                                   everything, as lines
  sudo rover watch --port 8080 --side server         what a server answers
  sudo rover watch --exe nginx --format json | jq .  nginx alone, as JSON
  sudo rover watch --layers                          where the time went
  sudo rover watch --format combined --output access.log --duration 60

A line beginning with "ready" on stderr says that all hooks are attached; at the end the ledger follows as JSON:
what was captured, reported, and each cause of a loss.

Flags in text: cut head longer than capture.head_bytes, gap bytes missed, old connection older than rover,
reset, no-resp, no-req the other half is missing, upgraded, open not finished yet, hpack? headers of HTTP/2 that refer
to what was sent before rover. A call of gRPC has its status there: grpc:OK, grpc:NOT_FOUND, grpc:– not seen."""


@click.command(epilog=_EXAMPLES)
@config_option
@output_options
@click.option(
    "--duration", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop after this time."
)
@capture_options
def command(
    file: Path | None,
    format_: str,
    output: Path | None,
    micros: bool,
    layers: bool,
    color: str,
    duration: float | None,
    **capture_flags: Any,
) -> None:
    """Print every HTTP exchange of this machine, without a backend."""
    config, environment = load_capture_config(file, capture_flags)

    from rover.daemon import Capture, StopSignal, notify

    stop = StopSignal()
    capture = Capture(config)
    descriptor = open_output(output)
    capture.engine.add_output(descriptor, format_, encoder_options(descriptor, color, micros, layers, environment))
    print(capture.start(), file=sys.stderr, flush=True)
    notify(environment.notify_socket, "READY=1")
    watch_until_stopped(stop, capture, descriptor, format_, duration)
    notify(environment.notify_socket, "STOPPING=1")
    is_unwritten = output is not None and capture.is_output_broken()
    print(capture.finish(), file=sys.stderr, flush=True)
    if is_unwritten:
        raise click.ClickException(f"--output {output}: records could not be written, the ledger says how many")
