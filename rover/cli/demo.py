"""`rover demo`: what `rover up` does, with something to look at."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import click

from rover.cli.logs_of_rover import say
from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  sudo rover demo                  a minute of traffic, page on 127.0.0.1:8080
  sudo rover demo --seconds 600    ten minutes
  sudo rover demo --no-stay        end with the traffic"""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86400),
    default=60.0,
    show_default="60",
    metavar="N",
    help="How long the shop is visited.",
)
@click.option(
    "--stay/--no-stay",
    default=None,
    help="Whether the page stays when the traffic is over, until Ctrl-C.  [default: stay on a terminal]",
)
def command(file: Path | None, seconds: float, stay: bool | None) -> None:
    """Start a small shop of local services, visit it, and show what rover sees."""
    from rover.cli.serving import Serving
    from rover.daemon import Capture, LinkWatch, StopSignal
    from rover.demo import Shop
    from rover.demo.told import what_runs, where_to_look

    loaded, _ = load_config(file)
    stop = StopSignal()
    with Shop(seconds) as shop:
        say("rover: the shop is made ready; the first time, Go's library is compiled for it")
        shop.prepare()
        # Before the capture: whoever runs already is decided on at its start, all at once.
        shop.open()
        config = loaded.override(_flags(shop.rules_file, shop.store, loaded.config.backend.http.address)).config
        capture = Capture(config)
        serving = Serving.of_capture(config, capture)
        url, _ = serving.start()
        ready = serving.start_capture(capture)
        for line in (*what_runs(shop), *where_to_look(shop, url), ready):
            say(line)
        shop.let_in()
        watch = LinkWatch(capture.engine)
        stop.wait(is_over=lambda: not shop.is_busy, meanwhile=watch.look)
        stay = os.isatty(sys.stderr.fileno()) if stay is None else stay
        if stay and not stop.is_asked:
            say("rover: the traffic is over; the page stays until Ctrl-C")
            stop.wait(meanwhile=watch.look)
        shop.end()
        ledger = capture.finish()
        serving.stop()
        say(ledger)


def _flags(rules: Path, store: Path, http: str) -> dict[str, tuple[Any, str]]:
    """The shop alone is watched, its records go with it, and nobody else's port is in the way."""
    return {
        "watch.include": ([], "rover demo"),
        "watch.exclude": ([], "rover demo"),
        "watch.rules_file": (str(rules), "rover demo"),
        "backend.store.path": (str(store), "rover demo"),
        "backend.http.address": (_free(http), "rover demo"),
        "backend.grpc.address": ("127.0.0.1:0", "rover demo"),
    }


def _free(address: str) -> str:
    """The address, with another port if somebody listens there."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError:
            return f"{host}:0"
    return address
