"""Who names processes on this node: the container runtimes and the Kubernetes API, as far as they are there."""

from __future__ import annotations

from rover.config import Config
from rover.identity import Directory
from rover.identity.runtimes import Runtimes


class Naming:
    """What a `Directory` asks, from start to stop."""

    def __init__(self, config: Config) -> None:
        self._runtimes = Runtimes(config.containers.sockets)
        self.directory = Directory(self._runtimes)

    def start(self) -> None:
        """Begin to answer."""
        self._runtimes.start()

    def stop(self) -> None:
        """Let go of sockets and threads."""
        self._runtimes.stop()
