"""`rover doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  sudo rover doctor           a table; each ✗ comes with the one thing to do
  sudo rover doctor --json    the same for a program, or for a bug report

\b
Exit code 0: rover can capture here; 3: it cannot."""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option(
    "--attach",
    type=click.Choice(["auto", "fentry", "kprobe", "tracepoint"]),
    help="Try this way of hooking into the kernel.  [default: auto]",
)
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def command(ctx: click.Context, file: Path | None, attach: str | None, is_json: bool) -> None:
    """Tell which hooks attach here, in which mode, what each feeds, and what is missing."""
    loaded, environment = load_config(file)

    from rover.doctor import examine, is_able, render

    if attach:
        loaded = loaded.override({"kernel.attach": (attach, "--attach")})
    finding = examine(loaded.config)
    if is_json:
        click.echo(json.dumps(finding, indent=2, ensure_ascii=False))
    else:
        has_color = sys.stdout.isatty() and not environment.is_plain
        for line in render(finding, has_color=has_color):
            click.echo(line)
    if not is_able(finding):
        ctx.exit(3)
