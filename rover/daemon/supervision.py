"""What surrounds a capture that runs for months: the lock of the machine, the listeners, systemd, signals."""

from __future__ import annotations

import logging
from types import TracebackType

from rover.config import Config, ConfigError
from rover.config.environment import Environment
from rover.daemon.capture import Capture
from rover.daemon.lock import NodeLock
from rover.daemon.notify import notify
from rover.daemon.options import read_token
from rover.telemetry import Endpoint, Heartbeat, ListenError, Telling
from rover.telemetry.line import line

log = logging.getLogger(__name__)

_TOKEN_LENGTH = 16
"""A shorter token is guessed too easily."""


class Supervision:
    """Used with `with` around a capture's life; `ready` when it captures, `stopping` before its end."""

    def __init__(self, config: Config, environment: Environment) -> None:
        """Takes the lock. Raises ConfigError: another daemon runs."""
        self._config = config
        self._environment = environment
        self._lock = NodeLock(config.daemon.folder)
        self._lock.take()
        self._telling: Telling | None = None
        self._endpoint: Endpoint | None = None
        self._heartbeat: Heartbeat | None = None

    def __enter__(self) -> Supervision:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._endpoint is not None:
            self._endpoint.stop()
        self._lock.release()

    def listen(self, capture: Capture) -> str | None:
        """Answer probes, Prometheus and `rover status`; the URL of the metrics. Raises ConfigError."""
        settings = self._config.metrics
        self._telling = Telling(capture)
        token = None if settings.token_file is None else _strong_token(self._config)
        self._endpoint = Endpoint(self._telling, self._config.daemon.folder, settings.address, lambda: token)
        try:
            return self._endpoint.start()
        except ListenError as error:
            raise ConfigError(str(error), key=error.key, origin=error.key) from error

    def ready(self) -> None:
        """All is attached: tell systemd, and keep telling."""
        assert self._telling is not None
        telling = self._telling
        telling.ready()
        self._tell("READY=1")
        self._heartbeat = Heartbeat(
            self._tell, telling.pulse_s, lambda: line(telling.status()), self._environment.watchdog_s
        )
        self._heartbeat.start()

    def stopping(self) -> None:
        """The end has begun."""
        if self._telling is not None:
            self._telling.stopping()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        notify(self._environment.notify_socket, state)


def _strong_token(config: Config) -> str:
    key, path = "metrics.token_file", config.metrics.token_file
    assert path is not None
    token = read_token(path, key)
    if len(token) < _TOKEN_LENGTH:
        told = f"{path}: the token has {len(token)} characters, at least {_TOKEN_LENGTH} are needed"
        raise ConfigError(told, key=key, origin=key)
    return token
