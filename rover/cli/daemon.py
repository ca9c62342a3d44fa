"""`rover daemon`: capture on this node, reported to a backend."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rover.cli.logs_of_rover import say
from rover.cli.settings import config_option, load_config, relog, reread

_EXAMPLES = """\b
Examples:
  sudo rover daemon                           reports to 127.0.0.1:11800
  sudo rover daemon --oap oap.example.org:11800
  sudo rover daemon -c /etc/rover/rover.yaml"""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option("--oap", multiple=True, metavar="HOST:PORT", help="Report there; repeatable: the first that answers.")
def command(file: Path | None, oap: tuple[str, ...]) -> None:
    """Capture on this node and report to a backend, to SkyWalking OAP or to an OpenTelemetry collector."""
    loaded, environment = load_config(file)
    flags = {"reporters.oap.addresses": (list(oap), "--oap")} if oap else {}
    loaded = loaded.override(flags)
    config = loaded.config

    from rover.cli.reporters import add_file_output, add_oap_output, add_otlp_output
    from rover.config import ConfigError
    from rover.daemon import Capture, LinkWatch, StopSignal, Supervision

    stop = StopSignal(is_hung_up=os.isatty(0))
    with Supervision(loaded, environment, lambda: reread(file, flags), relog) as supervision:
        stop.on_hangup = supervision.reload
        capture = Capture(config)
        add_file_output(capture, config)
        has_collector = add_otlp_output(capture, config)
        if config.reporters.oap.addresses:
            add_oap_output(capture, config)
        elif config.reporters.file.path is None and not has_collector:
            key = "reporters.oap.addresses"
            told = "is empty, reporters.otlp.endpoints too, reporters.file.path is not set: records would go nowhere"
            raise ConfigError(told, key=key, origin=key)
        url = supervision.listen(capture)
        ready = capture.start()
        supervision.ready()
        if url is not None:
            say(f"rover: metrics {url}")
        say(ready)
        stop.wait(meanwhile=LinkWatch(capture.engine).look)
        supervision.stopping()
        say(capture.finish())
