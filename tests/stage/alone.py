"""A daemon beside others: a machine has one, a machine that tests has several at a time."""

import tempfile


class Alone:
    """Variables that give a daemon a lock, a socket and a port of its own; `close` when it has ended."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rover-daemon-")
        self.folder = self._folder.name
        self.variables = {"ROVER_DAEMON_FOLDER": self.folder, "ROVER_METRICS_ADDRESS": "127.0.0.1:0"}

    def close(self) -> None:
        """Remove what it left."""
        self._folder.cleanup()
