"""The commands of `rover`, each in a module of its own that is imported when the command runs.

The list states what `rover --help` says of each, so that help needs none of them."""

from __future__ import annotations

import importlib

import click

from rover import __version__
from rover.config.errors import maybe_nearest

COMMANDS = {
    "up": "Daemon, backend and web page in one.",
    "demo": "Start a small shop of local services and show what rover sees.",
    "watch": "Print every exchange, without a backend.",
    "daemon": "Capture and report to a backend or to SkyWalking OAP.",
    "backend": "Take reports from daemons, store them, serve the page.",
    "logs": "Query the exchanges of a backend.",
    "record": "Write the raw events to a file.",
    "replay": "Make records from such a file.",
    "status": "Tell how the daemon of this machine fares.",
    "processes": "List every process, whether it is watched, and why.",
    "doctor": "Tell what works on this machine, and what to do if not.",
    "config": "Check, show or explain the configuration.",
}

_EXAMPLES = """\b
Examples:
  sudo rover up                     everything, page on 127.0.0.1:8080
  sudo rover watch --port 8080      exchanges with port 8080, as lines
  sudo rover doctor                 what this kernel allows
  rover logs --status 5xx --follow  errors as they happen

Exit codes: 0; 1 error of rover itself; 2 bad usage or configuration; 3 kernel feature or privilege missing."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rover.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            nearest = maybe_nearest(args[0], COMMANDS)
            hint = f"; did you mean {nearest}?" if nearest else ""
            raise click.UsageError(f"there is no command {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="rover %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks, and log in detail.")
@click.pass_context
def rover(ctx: click.Context, debug: bool) -> None:
    """An access log of every HTTP exchange on this machine, read from the kernel."""
    ctx.obj = {"is_debug": debug}
