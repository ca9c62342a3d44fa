"""`rover config`: check a file, show effective values, explain all keys."""

from __future__ import annotations

from pathlib import Path

import click

from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  rover config check rover.yaml  errors with line and the nearest known key
  rover config show              each value and where it comes from
  rover config reference         every key, as in docs/configuration.md"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Check, show or explain the configuration."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
@config_option
def check(path: Path | None, file: Path | None) -> None:
    """Check FILE and the environment; rules and the rules file are tried too."""
    loaded, _ = load_config(path or file)

    from rover.processes import RulesSource

    RulesSource(loaded.config.watch)
    click.echo(f"ok: {len(loaded.origins)} keys set, the rest at their defaults")


@command.command()
@config_option
def show(file: Path | None) -> None:
    """Print every key with its value and where that comes from."""
    loaded, _ = load_config(file)

    from rover.config.reference import effective

    rows = [(f"{name}: {value}", origin) for name, value, origin in effective(loaded)]
    width = max(len(stated) for stated, _ in rows)
    for stated, origin in rows:
        click.echo(f"{stated:<{width}}  # {origin}")


@command.command()
@click.option("--format", "format_", type=click.Choice(["markdown", "yaml"]), default="markdown", show_default=True)
def reference(format_: str) -> None:
    """Print every key: as a page, or as a file with all keys at their defaults."""
    from rover.config.reference import annotated_file, page

    click.echo(page() if format_ == "markdown" else annotated_file(), nl=False)
