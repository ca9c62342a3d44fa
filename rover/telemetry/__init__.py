"""What a running daemon tells of itself: to Prometheus, to probes, to systemd and to `rover status`.

Public surface: `Telling` gathers the state as one `Status`, `Endpoint` serves it over HTTP and over a local socket,
`Heartbeat` keeps systemd's watchdog content; `client.ask` is the other end of the local socket.
Nothing runs per event."""

from rover.telemetry.endpoint import Endpoint, ListenError
from rover.telemetry.heartbeat import Heartbeat
from rover.telemetry.status import STALLED_S, Status, Telling

__all__ = ["STALLED_S", "Endpoint", "Heartbeat", "ListenError", "Status", "Telling"]
