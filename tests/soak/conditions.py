"""What happens to a machine in months, within minutes: each a thread that goes on until it is told to end.

The wall clock is not stepped: it is the whole machine's, and other programs on it would suffer. A virtual machine's
is: tests/vm/guest/test_clock.py."""

import contextlib
import http.client
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.cli.running import Running
from tests.kube.stage import Server
from tests.stage.deadline import wait_until


class Answering(BaseHTTPRequestHandler):
    """Bodies of known length and chunked ones."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        return


class Traffic:
    """A server, and a client that changes between kept and new connections; `exchanges` counts what was answered."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.exchanges = 0
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def run(self, is_over: threading.Event) -> None:
        """Some hundred exchanges a second at most."""
        for round_ in itertools.count():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            for number in range(1 + round_ % 7):
                connection.request("GET", f"/{'chunked' if number % 2 else 'plain'}?round={round_}")
                connection.getresponse().read()
                self.exchanges += 1
            connection.close()
            if is_over.wait(0.02):
                return

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def churn(is_over: threading.Event) -> None:
    """Bursts of short processes."""
    while not is_over.wait(1.0):
        subprocess.run(["sh", "-c", "for i in $(seq 100); do (:) & done; wait"], check=True, timeout=60)


def backend_dies(start: Callable[[], Running], is_over: threading.Event, every_s: float) -> int:
    """A backend that is killed and started again; how often."""
    deaths = 0
    while True:
        with start() as backend:
            if is_over.wait(every_s):
                backend.stop()
                return deaths
            backend.process.send_signal(signal.SIGKILL)
            deaths += 1
        if is_over.wait(every_s / 4):
            return deaths


def api_goes_away(server: Server, addresses: Callable[[], int], is_over: threading.Event, every_s: float) -> int:
    """A Kubernetes API server that is ended, by turns in good order and amid its watches, and started again; how often.

    `addresses`: how many the daemon has a name for. A service that is made once the server is back is one more."""
    namespace, absences = server.namespace(), 0
    while not is_over.wait(every_s):
        server.do(("stop-api", "kill-api")[absences % 2])
        absences += 1
        is_over.wait(every_s / 3)
        server.do("start-api")
        known = addresses()
        body = {"metadata": {"name": f"made-{absences}"}, "spec": {"ports": [{"port": 80}]}}
        server.core.create_namespaced_service(namespace, body)
        wait_until(lambda known=known: addresses() > known, "the name of a service made since the API is back", 60)
    return absences


def disk_fills(folder: Path, is_over: threading.Event, every_s: float) -> None:
    """All room of a small file system taken, and given back."""
    filler = folder / "filler"
    while not is_over.wait(every_s):
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(65536))
                file.flush()
        is_over.wait(every_s / 2)
        filler.unlink(missing_ok=True)


def reloads(pid: int, file: Path, contents: list[str], is_over: threading.Event, every_s: float) -> None:
    """Another configuration each time, of which some are broken."""
    for content in itertools.cycle(contents):
        if is_over.wait(every_s):
            break
        file.write_text(content)
        os.kill(pid, signal.SIGHUP)
    file.write_text(contents[0])


def slope(samples: list[tuple[float, int]]) -> float:
    """Bytes a minute, by least squares over the second half: the first fills tables that are bounded."""
    half = samples[len(samples) // 2 :]
    mean_s, mean_bytes = (sum(column) / len(half) for column in zip(*half, strict=True))
    spread = sum((at - mean_s) ** 2 for at, _ in half)
    return 60 * sum((at - mean_s) * (size - mean_bytes) for at, size in half) / spread
