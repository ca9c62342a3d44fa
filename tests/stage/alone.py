"""A daemon beside others: a machine has one, a machine that tests has several at a time."""

import shutil
import tempfile
import weakref


class Alone:
    """Variables that give a daemon a lock, a socket and a port of its own; `close` when it has ended."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="rover-daemon-")
        # A test that never starts its daemon leaves nothing either.
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder)
        self.variables = {"ROVER_DAEMON_FOLDER": self.folder, "ROVER_METRICS_ADDRESS": "127.0.0.1:0"}

    def close(self) -> None:
        """Remove what it left."""
        self._remove()
