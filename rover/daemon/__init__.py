"""The running capture: engine, process decisions, facts about itself, and its end.

Public surface: `Capture` runs the engine for a configuration, `Supervision` surrounds one that runs for months,
`NodeFacts` tells about it, `LinkWatch` says when a backend is away, `StopSignal` waits for the end, `notify` speaks to
systemd. What the command line prints is not decided here."""

from rover.daemon.capture import Capture, node_name, process_table
from rover.daemon.facts import NodeFacts
from rover.daemon.link_watch import LinkWatch
from rover.daemon.naming import Naming
from rover.daemon.notify import notify
from rover.daemon.options import file_options, oap_options, otlp_options
from rover.daemon.stop import StopSignal
from rover.daemon.supervision import Supervision

__all__ = [
    "Capture",
    "LinkWatch",
    "Naming",
    "NodeFacts",
    "StopSignal",
    "Supervision",
    "file_options",
    "node_name",
    "notify",
    "oap_options",
    "otlp_options",
    "process_table",
]
