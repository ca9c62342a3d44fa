"""Where records are printed and how: format, colour, width, and the file or terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rover.cli.status_line import StatusLine
from rover.config.environment import Environment

if TYPE_CHECKING:
    from rover.daemon import Capture, StopSignal

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


def is_for_people(descriptor: int, format_: str) -> bool:
    """Whether someone watches records scroll by, and a line about the whole has its place below them."""
    return format_ == "text" and os.isatty(descriptor)


def watch_until_stopped(
    stop: StopSignal, capture: Capture, descriptor: int, format_: str, duration: float | None
) -> None:
    """Wait for the end of a capture that writes to this descriptor, which may be its reader's going."""
    if not is_for_people(descriptor, format_):
        stop.wait(duration, capture.is_output_broken)
        return
    with StatusLine(descriptor, capture) as line:

        def is_over() -> bool:
            line.update()
            return capture.is_output_broken()

        stop.wait(duration, is_over)
