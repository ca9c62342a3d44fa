"""What surrounds a capture that runs for months: the lock of the machine, the listeners, systemd, signals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from rover.config import Config, ConfigError, Loaded
from rover.config.environment import Environment
from rover.daemon.capture import Capture
from rover.daemon.governor import Governor
from rover.daemon.lock import NodeLock
from rover.daemon.notify import notify
from rover.daemon.options import read_token
from rover.daemon.privileges import give_up_privileges
from rover.daemon.reload import Prepare, Reloader
from rover.listener import host_of, is_loopback
from rover.telemetry import Endpoint, Heartbeat, ListenError, Telling
from rover.telemetry.line import line

log = logging.getLogger(__name__)

_TOKEN_LENGTH = 16
"""A shorter token is guessed too easily."""


class Supervision:
    """Used with `with` around a capture's life; `ready` when it captures, `stopping` before its end."""

    def __init__(self, loaded: Loaded, environment: Environment, again: Callable[[], Loaded], relog: Prepare) -> None:
        """Takes the lock, and gives up what is not needed. Raises ConfigError: another daemon runs.

        `again` reads the configuration as it was read for this one, `relog` sets up logging."""
        self._config = config = loaded.config
        self._token: str | None = None
        self._reloader = Reloader(loaded, again)
        self._reloader.on_change(["log."], relog)
        self._reloader.on_change([], self._prepare_token)
        self._environment = environment
        self._lock = NodeLock(config.daemon.folder)
        self._lock.take()
        give_up_privileges(config)
        self._telling: Telling | None = None
        self._endpoint: Endpoint | None = None
        self._heartbeat: Heartbeat | None = None
        self._governor: Governor | None = None

    def __enter__(self) -> Supervision:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._governor, self._heartbeat):
            if each is not None:
                each.stop()
        if self._endpoint is not None:
            self._endpoint.stop()
        self._lock.release()

    def listen(self, capture: Capture) -> str | None:
        """Answer probes, Prometheus and `rover status`; the URL of the metrics. Raises ConfigError."""
        settings = self._config.metrics
        self._telling = Telling(capture)
        self._telling.add("reloads", lambda: dict(self._reloader.counts))
        if settings.address is not None:
            capture.engine.add_traffic()
        self._telling.add("traffic", capture.traffic)
        self._telling.add("collectors", capture.collectors)
        self._prepare_token(self._config)()
        self._endpoint = Endpoint(self._telling, self._config.daemon.folder, settings.address, lambda: self._token)
        self._governor = governor = Governor(self._config.limits, capture.engine.govern, capture.stats)
        self._telling.add("governor", governor.status)
        self._reloader.on_change(["limits."], lambda config: lambda: setattr(governor, "limits", config.limits))
        rules = ("watch.include", "watch.exclude", "watch.rules_file")
        self._reloader.on_change(rules, capture.prepare_rules)
        self._reloader.on_change(("watch.ports", "watch.side", "capture."), capture.prepare_options)
        try:
            return self._endpoint.start()
        except ListenError as error:
            raise ConfigError(str(error), key=error.key, origin=error.key) from error

    def ready(self) -> None:
        """All is attached: tell systemd, and keep telling."""
        assert self._telling is not None
        telling = self._telling
        telling.ready()
        assert self._governor is not None
        self._governor.start()
        self._tell("READY=1")
        self._heartbeat = Heartbeat(
            self._tell, telling.pulse_s, lambda: line(telling.status()), self._environment.watchdog_s
        )
        self._heartbeat.start()

    def reload(self) -> None:
        """Read the configuration again, and tell systemd."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._reloader.reload()
        self._tell("READY=1")

    def stopping(self) -> None:
        """The end has begun."""
        if self._telling is not None:
            self._telling.stopping()
        for each in (self._governor, self._heartbeat):
            if each is not None:
                each.stop()
        self._tell("STOPPING=1")

    def _prepare_token(self, config: Config) -> Callable[[], None]:
        settings = config.metrics
        token = None if settings.token_file is None else _strong_token(config)
        if token is None and settings.address is not None and not is_loopback(host_of(settings.address)):
            key = "metrics.token_file"
            told = f"metrics.address {settings.address} is beyond loopback: that needs a token"
            raise ConfigError(told, key=key, origin=key)

        def take_over() -> None:
            self._token = token

        return take_over

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
