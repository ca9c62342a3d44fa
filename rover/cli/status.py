"""`rover status`: how the daemon of this machine fares, asked over its local socket."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import click

from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  sudo rover status         what it watches, loses and costs, every second
  sudo rover status --once  the same, once
  sudo rover status --json  all that it tells, as one JSON object"""

_PAUSE_S = 1.0
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@click.command(epilog=_EXAMPLES)
@config_option
@click.option("--once", is_flag=True, help="Print once and end.  [default: unless on a terminal]")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object and end.")
def command(file: Path | None, once: bool, is_json: bool) -> None:
    """Show watched processes, rates, losses by cause, cost, hooks and backends of the running daemon."""
    loaded, _ = load_config(file)
    folder = loaded.config.daemon.folder

    from rover.cli.status_page import page
    from rover.telemetry.client import NoDaemonError, ask

    try:
        before = ask(folder)
        if is_json:
            click.echo(json.dumps(before))
            return
        is_live = not once and os.isatty(sys.stdout.fileno())
        while True:
            time.sleep(_PAUSE_S)  # rates need two looks
            now = ask(folder)
            click.echo((_CLEAR if is_live else "") + "\n".join(page(now, before)))
            if not is_live:
                return
            before = now
    except NoDaemonError as error:
        raise click.ClickException(str(error)) from error
