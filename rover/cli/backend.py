"""`rover backend`: takes reports of daemons on other nodes, stores them, serves the page."""

from __future__ import annotations

from pathlib import Path

import click

from rover.cli.logs_of_rover import say
from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  rover backend                reports on 127.0.0.1:11800, page on 8080
  rover backend -c rover.yaml  other addresses, and other limits

Addresses beyond loopback need a token: backend.http.token_file."""


@click.command(epilog=_EXAMPLES)
@config_option
def command(file: Path | None) -> None:
    """Take reports from daemons, store them, serve the page. Needs no privileges."""
    loaded, environment = load_config(file)

    from rover.cli.serving import Serving
    from rover.daemon import StopSignal, notify
    from rover.telemetry.status import resident_bytes

    stop = StopSignal()
    serving = Serving(loaded.config, lambda: {"cost": {"rss_bytes": resident_bytes()}})
    url, grpc = serving.start()
    say(f"rover: page and API  {url}")
    say(f"rover: gRPC reports  {grpc}")
    say("ready")
    notify(environment.notify_socket, "READY=1")
    stop.wait()
    notify(environment.notify_socket, "STOPPING=1")
    serving.stop()
