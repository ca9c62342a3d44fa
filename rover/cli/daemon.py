"""`rover daemon`: capture on this node, reported to a backend."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  sudo rover daemon                           reports to 127.0.0.1:11800
  sudo rover daemon --oap oap.example.org:11800
  sudo rover daemon -c /etc/rover/rover.yaml"""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option("--oap", multiple=True, metavar="HOST:PORT", help="Report there; repeatable: the first that answers.")
def command(file: Path | None, oap: tuple[str, ...]) -> None:
    """Capture on this node and report to a backend or to SkyWalking OAP."""
    loaded, environment = load_config(file)
    if oap:
        loaded = loaded.override({"reporters.oap.addresses": (list(oap), "--oap")})
    config = loaded.config

    from rover.cli.file_output import add_file_output
    from rover.cli.oap_output import add_oap_output
    from rover.config import ConfigError
    from rover.daemon import Capture, LinkWatch, StopSignal, notify

    stop = StopSignal()
    capture = Capture(config)
    add_file_output(capture, config)
    if config.reporters.oap.addresses:
        add_oap_output(capture, config)
    elif config.reporters.file.path is None:
        key = "reporters.oap.addresses"
        raise ConfigError("is empty and reporters.file.path is not set: records would go nowhere", key=key, origin=key)
    print(capture.start(), file=sys.stderr, flush=True)
    notify(environment.notify_socket, "READY=1")
    stop.wait(meanwhile=LinkWatch(capture.engine).look)
    notify(environment.notify_socket, "STOPPING=1")
    print(capture.finish(), file=sys.stderr, flush=True)
