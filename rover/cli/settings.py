"""What commands share: the configuration file, flags that override its keys, and logging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rover.cli.logs_of_rover import set_up_logging
from rover.config import Config, Loaded, Rule, load
from rover.config.environment import Environment, read_environment

C = TypeVar("C", bound=Callable[..., Any])

config_option = click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file.  [default: /etc/rover/rover.yaml if it exists]",
)

_PROCESS_OPTIONS = (
    click.option("--pid", type=int, multiple=True, metavar="N", help="Watch only this process; repeatable."),
    click.option("--exe", multiple=True, metavar="GLOB", help="Watch only this executable: a name or a path."),
    click.option("--exclude-exe", multiple=True, metavar="GLOB", help="Do not watch this executable."),
    click.option("--port", type=int, multiple=True, metavar="N", help="Only connections with this port at either end."),
    click.option("--side", type=click.Choice(["server", "client"]), help="Only records of this side."),
    click.option(
        "--attach",
        type=click.Choice(["auto", "fentry", "kprobe", "tracepoint"]),
        help="Force a way of hooking into the kernel.  [default: auto]",
    ),
    click.option(
        "--capture-layers",
        type=click.Choice(["none", "l4", "all"]),
        help="What is measured below the socket.  [default: all]",
    ),
    click.option("--query", type=click.Choice(["keep", "mask", "drop"]), help="What becomes of query strings."),
)


def capture_options(command: C) -> C:
    """Adds the options that say what is captured."""
    for option in reversed(_PROCESS_OPTIONS):
        command = option(command)
    return command


def capture_flags(loaded: Loaded, given: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The keys that the options of `capture_options` set. Excluded executables come on top of the file's."""
    flags: dict[str, tuple[Any, str]] = {}
    if given["pid"] or given["exe"]:
        rules = [{"pid": pid} for pid in given["pid"]] + [{"exe": exe} for exe in given["exe"]]
        flags["watch.include"] = (rules, "--pid or --exe")
    if given["exclude_exe"]:
        excluded = [_stated(rule) for rule in loaded.config.watch.exclude]
        flags["watch.exclude"] = (excluded + [{"exe": exe} for exe in given["exclude_exe"]], "--exclude-exe")
    if given["port"]:
        flags["watch.ports"] = (list(given["port"]), "--port")
    if given["side"]:
        flags["watch.side"] = (given["side"], "--side")
    if given["attach"]:
        flags["kernel.attach"] = (given["attach"], "--attach")
    if given["capture_layers"]:
        flags["capture.layers"] = (given["capture_layers"], "--capture-layers")
    if given["query"]:
        flags["capture.query"] = (given["query"], "--query")
    return flags


def load_config(file: Path | None) -> tuple[Loaded, Environment]:
    """The configuration of the file and the environment, with logging as it says. Raises ConfigError."""
    set_up_logging("warning", is_debug=is_debug())
    environment = read_environment()
    loaded = load(file, environment.variables)
    set_up_logging(loaded.config.log.level, loaded.config.log.format, is_debug=is_debug())
    return loaded, environment


def load_capture_config(file: Path | None, given: Mapping[str, Any]) -> tuple[Config, Environment]:
    """The same with the options of `capture_options` on top. Raises ConfigError."""
    loaded, environment = load_config(file)
    return loaded.override(capture_flags(loaded, given)).config, environment


def reread(file: Path | None, flags: Mapping[str, tuple[Any, str]] | None = None) -> Loaded:
    """The configuration as it is now, with the same flags on top; logging stays as it is. Raises ConfigError."""
    return load(file, read_environment().variables, flags)


def relog(config: Config) -> Callable[[], None]:
    """What makes logging as this configuration says."""
    debug = is_debug()
    return lambda: set_up_logging(config.log.level, config.log.format, is_debug=debug)


def is_debug() -> bool:
    """Whether the command runs as `rover --debug …`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.obj and context.obj.get("is_debug"))


def _stated(rule: Rule) -> dict[str, Any]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(rule).items() if value is not None}
