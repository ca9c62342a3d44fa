"""Runs a command and turns whatever goes wrong into one line and an exit code; never a traceback, unless asked for."""

from __future__ import annotations

import os
import sys
import traceback

import click

from rover.cli.group import rover
from rover.config import ConfigError

OK, INTERNAL, USAGE, UNSUPPORTED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line of these arguments, or of the program; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        outcome = rover.main(arguments, prog_name="rover", standalone_mode=False)
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else OK  # ctx.exit(3) comes back as 3
    except BrokenPipeError:  # the reader of a pipe has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        line, code = explain(error)
        print(f"rover: {line}", file=sys.stderr)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The line that tells a person what went wrong and what to do, and the exit code."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "rover"
        return f"{one_line(error.format_message())} (see {command} --help)", USAGE
    if isinstance(error, click.ClickException):
        return one_line(error.format_message()), USAGE
    if isinstance(error, ConfigError):
        return one_line(str(error)), USAGE
    native = sys.modules.get("rover._engine")  # not imported for the sake of an error
    if native is not None:
        if isinstance(error, native.KernelUnsupported):
            return f"missing {one_line(str(error))} (see rover doctor)", UNSUPPORTED
        if isinstance(error, native.ProgramRejected):
            return f"{one_line(str(error))}; please report it with the output of `rover doctor --json`", UNSUPPORTED
    return (
        f"internal error: {type(error).__name__}: {one_line(str(error))} at {_place(error)}; "
        "please report it with what `rover --debug …` prints"
    ), INTERNAL


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    file = frames[-1].filename
    return f"{os.path.basename(os.path.dirname(file))}/{os.path.basename(file)}:{frames[-1].lineno}"
