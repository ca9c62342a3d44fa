"""Where records are printed and how: format, colour, width, and the file or terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from rover.cli.status_line import StatusLine
from rover.config.environment import Environment

if TYPE_CHECKING:
    from rover.daemon import Capture, StopSignal

C = TypeVar("C", bound=Callable[..., Any])
FORMATS = ("text", "json", "combined")

color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours in text.",
)
layers_option = click.option(
    "--layers", is_flag=True, help="Format text: under each line a bar of where its time went, layer by layer."
)

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
    layers_option,
    color_option,
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


def encoder_options(descriptor: int, color: str, micros: bool, layers: bool, environment: Environment) -> str:
    """The JSON object that sets up an encoder for this descriptor."""
    options: dict[str, Any] = {"color": has_color(descriptor, color, environment), "micros": micros}
    if layers:
        options["layers"] = True
    width = width_of(descriptor)
    if width is not None:
        options["width"] = width
    return json.dumps(options)


def has_color(output: int | IO[str], color: str, environment: Environment) -> bool:
    """Whether text for this descriptor or stream gets colours, as --color says."""
    return color == "always" or (color == "auto" and _is_terminal(output) and not environment.is_plain)


def width_of(output: int | IO[str]) -> int | None:
    """Columns of the terminal behind this descriptor or stream; None if there is none."""
    if not _is_terminal(output):
        return None
    descriptor = output if isinstance(output, int) else output.fileno()
    return os.get_terminal_size(descriptor).columns or 80  # 0: a terminal that does not tell


def _is_terminal(output: int | IO[str]) -> bool:
    return os.isatty(output) if isinstance(output, int) else output.isatty()


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
