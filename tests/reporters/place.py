"""A node for a test: a server and a client on loopback, a daemon that watches them, a backend that can be killed."""

import json
import signal
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

from tests.cli.running import Running
from tests.stage.ports import free_port

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Traffic:
    """Numbered requests over one connection, one after the other, from a thread of its own."""

    def __init__(self, pause_s: float = 0.002) -> None:
        self.port = free_port()
        self.done = 0
        self._pause_s = pause_s
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True), threading.Thread(target=self._ask)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """No more requests; the last one is answered."""
        self._end.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while connection.recv(65536):
                connection.sendall(RESPONSE)

    def _ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            while not self._end.wait(self._pause_s):
                client.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % self.done)
                received = b""
                while len(received) < len(RESPONSE):
                    received += client.recv(65536)
                self.done += 1


class Place:
    """Configuration, folders and ports of one test."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder, self.spool, self.database = folder, folder / "spool", folder / "rover.db"
        self.grpc, self.http = free_port(), free_port()
        self.file = folder / "rover.yaml"
        self.tree: dict[str, Any] = {
            "backend": {
                "http": {"address": f"127.0.0.1:{self.http}"},
                "grpc": {"address": f"127.0.0.1:{self.grpc}"},
                "store": {"path": str(self.database)},
            },
            "reporters": {
                "oap": {"addresses": [f"127.0.0.1:{self.grpc}"], "spool": {"path": str(self.spool)}},
                "file": {},
            },
            "watch": {"ports": ports},
            "capture": {"layers": "none"},
        }

    def backend(self) -> Running:
        """Not started yet."""
        return self._run("backend")

    def daemon(self) -> Running:
        """Not started yet."""
        return self._run("daemon")

    def _run(self, command: str) -> Running:
        self.file.write_text(json.dumps(self.tree))
        # The variable that keeps other tests from leaving anything would win over the file.
        return Running(
            command, "-c", str(self.file), environment={"ROVER_REPORTERS_OAP_SPOOL_PATH": str(self.spool)}, stdout=-3
        )

    def stored(self) -> list[tuple[str, str, str]]:
        """Id, side and path of every record in the backend's database."""
        if not self.database.exists():
            return []
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute("SELECT lower(hex(id)), side, path FROM exchange").fetchall()
        except sqlite3.OperationalError:  # the tables are not there yet
            return []
        finally:
            connection.close()


def kill(running: Running) -> None:
    """SIGKILL, and wait for the end."""
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
