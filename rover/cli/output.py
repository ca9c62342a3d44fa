"""Where records are printed and how: format, colour, width, and the file or terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rover.config.environment import Environment

C = TypeVar("C", bound=Callable[..., Any])
FORMATS = ("text", "json", "combined")

_OPTIONS = (
    click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of a record."
    ),
    click.option(
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write records to this file instead of stdout.",
    ),
    click.option(
        "--micros", is_flag=True, help="Format combined: append the duration in microseconds, as Apache's %D."
    ),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours in text.",
    ),
)


def output_options(command: C) -> C:
    """Adds the options that say how records are written."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def open_output(path: Path | None) -> int:
    """A descriptor for records: of the file, made or emptied, or of stdout. Raises UsageError."""
    if path is None:
        sys.stdout.flush()
        return sys.stdout.fileno()
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise click.UsageError(f"--output {path}: {error.strerror}") from error


def encoder_options(descriptor: int, color: str, micros: bool, environment: Environment) -> str:
    """The JSON object that sets up an encoder for this descriptor."""
    is_terminal = os.isatty(descriptor)
    options: dict[str, Any] = {
        "color": color == "always" or (color == "auto" and is_terminal and not environment.is_plain),
        "micros": micros,
    }
    if is_terminal:
        options["width"] = os.get_terminal_size(descriptor).columns or 80  # 0: a terminal that does not tell
    return json.dumps(options)
