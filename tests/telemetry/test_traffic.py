"""Rate, errors, durations and TCP in `/metrics`, against what a client counted itself."""

import threading
import time
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port

from .conftest import get, metrics_port, to_file
from .test_metrics import samples

pytestmark = pytest.mark.root

STATUSES = [200] * 20 + [302] * 2 + [404] * 5 + [500] * 3


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.write(b"x" * 100)

    def log_message(self, *_: Any) -> None:
        pass


def test_traffic_is_counted_as_the_client_counts_it(tmp_path: Path) -> None:
    """By side and class of status; a 4xx is an error of the client alone; what one side sent the other got.

    Others on this machine may open connections meanwhile, and move bytes: ports choose exchanges, not connections."""
    port = free_port()
    environment = {**to_file(tmp_path), "ROVER_WATCH_PORTS": str(port)}
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Running("daemon", environment=environment) as daemon:
            wait_until(lambda: "ready" in daemon.said, "a daemon that is ready", 60)
            began = time.monotonic()
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            for status in STATUSES:
                connection.request("GET", f"/{status}")
                assert len(connection.getresponse().read()) == 100
            connection.close()
            elapsed = time.monotonic() - began

            def found() -> dict[str, Counter[tuple[str, ...]]]:
                families: dict[str, Counter[tuple[str, ...]]] = {}
                for (name, *labels), value in samples(get(metrics_port(daemon), "/metrics")[1]).items():
                    of = {key: label for key, label in labels if key != "service"}
                    family = families.setdefault(name, Counter())
                    family[tuple(of[key] for key in sorted(of))] += value
                return families

            wanted = 2 * len(STATUSES)
            wait_until(lambda: found()["rover_http_requests_total"].total() == wanted, "both sides of all", 20)
            told = found()
            server.shutdown()
            code, _ = daemon.stop()
            assert code == 0, daemon.said
    classes = Counter(f"{status // 100}xx" for status in STATUSES)
    for side in ("server", "client"):
        requests = {status: count for (of, status), count in told["rover_http_requests_total"].items() if of == side}
        assert requests == classes
        errors = {status: count for (of, status), count in told["rover_http_errors_total"].items() if of == side}
        assert {status for status, count in errors.items() if count} == (
            {"5xx"} if side == "server" else {"4xx", "5xx"}
        )
        durations = told["rover_http_request_duration_seconds_count"]
        assert {status: durations[side, status] for status in classes} == classes
        assert 0 < sum(told["rover_http_request_duration_seconds_sum"][side, status] for status in classes) < elapsed
        assert told["rover_tcp_connections_opened_total"][side,] >= 1
    sent, received = told["rover_tcp_sent_bytes_total"], told["rover_tcp_received_bytes_total"]
    for of_server, of_client in ((sent, received), (received, sent)):
        assert min(of_server["server",], of_client["client",]) >= 60 * len(STATUSES)
    assert min(sent["server",], received["client",]) >= 160 * len(STATUSES)
