"""`rover replay`: the same engine over a recording."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rover.cli.output import encoder_options, open_output, output_options
from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  rover replay case.rover                as lines
  rover replay case.rover --format json  as JSON, as when it was recorded"""


@click.command(epilog=_EXAMPLES)
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE")
@config_option
@output_options
def command(
    recording: Path, file: Path | None, format_: str, output: Path | None, micros: bool, layers: bool, color: str
) -> None:
    """Make records from FILE, which `rover record` wrote. Needs no privileges."""
    loaded, environment = load_config(file)

    from rover._engine import replay
    from rover.daemon.options import engine_options

    if not recording.is_file():
        raise click.UsageError(f"{recording}: no such file")
    descriptor = open_output(output)
    options = encoder_options(descriptor, color, micros, layers, environment)
    try:
        ledger = replay(str(recording), descriptor, format_, options, engine_options(loaded.config))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{recording}: {error}") from error
    print(ledger, file=sys.stderr, flush=True)
