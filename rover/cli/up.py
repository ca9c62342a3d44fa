"""`rover up`: daemon and backend in one process; records go from the engine to the store without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from rover.cli.logs_of_rover import say
from rover.cli.output import FORMATS, encoder_options, watch_until_stopped
from rover.cli.settings import config_option, load_config, relog, reread

_EXAMPLES = """\b
Examples:
  sudo rover up                     page on 127.0.0.1:8080, reports on 11800
  sudo rover up -c rover.yaml
  sudo rover up --show json | jq .  the records as JSON too"""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option(
    "--show",
    type=click.Choice([*FORMATS, "none"]),
    help="Print records to stdout in this form.  [default: text on a terminal, else none]",
)
def command(file: Path | None, show: str | None) -> None:
    """Daemon, backend and web page in one: all that one machine needs."""
    loaded, environment = load_config(file)
    config = loaded.config

    from rover.cli.reporters import add_file_output, add_otlp_output
    from rover.cli.serving import Serving
    from rover.daemon import Capture, LinkWatch, StopSignal, Supervision

    stop = StopSignal(is_hung_up=os.isatty(0))
    with Supervision(loaded, environment, lambda: reread(file), relog) as supervision:
        stop.on_hangup = supervision.reload
        capture = Capture(config)
        add_file_output(capture, config)
        add_otlp_output(capture, config)
        show = show or ("text" if os.isatty(sys.stdout.fileno()) else "none")
        descriptor = sys.stdout.fileno()
        if show != "none":  # before the start: what comes right behind `ready` is shown too
            capture.engine.add_output(descriptor, show, encoder_options(descriptor, "auto", False, False, environment))
        metrics = supervision.listen(capture)
        serving = Serving.of_capture(config, capture)
        url, grpc = serving.start()
        ready = serving.start_capture(capture)
        say(f"rover: page and API  {url}")
        say(f"rover: gRPC reports  {grpc}")
        if metrics is not None:
            say(f"rover: metrics       {metrics}")
        say(f"rover: records in    {config.backend.store.path}")
        say(f"rover: try           curl -s {url}api/services")
        supervision.ready()
        say(ready)
        if show == "none":
            stop.wait(meanwhile=LinkWatch(capture.engine).look)
        else:
            watch_until_stopped(stop, capture, descriptor, show, None)
        supervision.stopping()
        ledger = capture.finish()
        serving.stop()
        say(ledger)
