"""rover's spans and metrics through a real OpenTelemetry collector, record by record."""

import datetime
import secrets
import shutil
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.reporters.place import Place
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.wire.programs import BUILD_SECONDS

from .collector import Attributes, Collector
from .senders import send_spans

pytestmark = [
    pytest.mark.slow,  # the first time a collector is built
    pytest.mark.timeout(BUILD_SECONDS),
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is missing: it builds the collector"),
]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path) as collector:
        yield collector


def expected(record: dict[str, Any]) -> tuple[Attributes, Attributes]:
    """Resource and span attributes of a record, by docs/otlp.md: written apart from the encoder."""
    local, remote, tls = record["local"], record["remote"], record["tls"]
    resource = {"service.name": "nginx", "service.instance.id": "nginx@node-a", "host.name": "node-a"}
    is_server = record["side"] == "server"
    client = remote if is_server else local
    span: Attributes = {
        "url.scheme": record["scheme"] or ("https" if tls else "http"),
        "network.protocol.name": "http",
        "network.protocol.version": record["protocol"].removeprefix("HTTP/"),
        "server.address": record["host"],
        "server.port": (local if is_server else remote)["port"],
        "client.address": client["address"],
        "client.port": client["port"],
        "network.peer.address": remote["address"],
        "network.peer.port": remote["port"],
        "network.local.address": local["address"],
        "network.local.port": local["port"],
        "rover.connection.id": record["connection"]["id"],
        "rover.connection.exchange": record["connection"]["exchange"],
        "rover.first_byte_ns": record["first_byte_ns"],
        "rover.flags": record["flags"],
        "process.pid": local["identity"]["pid"],
    }
    if record["method"] is not None:
        span["http.request.method"] = "_OTHER" if record["method"] == "PROPFIND" else record["method"]
        if record["method"] == "PROPFIND":
            span["http.request.method_original"] = "PROPFIND"
    for key, name in (("status", "http.response.status_code"), ("path", "url.path"), ("query", "url.query")):
        if record[key] is not None:
            span[name] = record[key]
    for which in ("request", "response"):
        message = record[which]
        span[f"http.{which}.size"], span[f"http.{which}.body.size"] = message["bytes"], message["body_bytes"]
        for name, value in message["headers"].items():
            span[f"http.{which}.header.{name}"] = value.split(", ")
    if remote.get("identity"):
        span["peer.service"] = remote["identity"]["service"]
    if record["trace"]["format"] == "sw8":
        trace = record["trace"]
        span |= {"rover.sw8.trace_id": trace["trace_id"], "rover.sw8.span_id": trace["span_id"]}
        span["rover.sw8.segment_id"] = trace["segment_id"]
    for which in ("write", "read"):
        for name, value in record["kernel"][which].items():
            if isinstance(value, int):
                span[f"rover.kernel.{which}.{name}"] = value
    return resource, span


def place(attributes: Attributes) -> tuple[str, int]:
    """Which exchange of which connection a span is."""
    return attributes["rover.connection.id"], attributes["rover.connection.exchange"]


def start_ns(record: dict[str, Any]) -> int:
    """The record's time in nanoseconds since the epoch."""
    whole, fraction = record["time"].removesuffix("Z").split(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(moment.timestamp()) * 10**9 + int(fraction)


@pytest.mark.parametrize(("protocol", "compressed"), [("grpc", False), ("grpc", True), ("http", False), ("http", True)])
def test_every_record_comes_out_as_it_went_in(collector: Collector, protocol: str, compressed: bool) -> None:
    """Span for record: times, kind, name, attributes, events, resource."""
    endpoint = collector.grpc if protocol == "grpc" else collector.http
    sent = send_spans([endpoint], 240, protocol=protocol, is_compressed=compressed, batch_bytes=30_000)
    assert sent.is_balanced
    records = [record for record in sent.records if "unfinished" not in record["flags"]]
    assert sent.stats["acked"] == len(records) == 220
    found = {place(span["attributes"]): (resource, span) for resource, span in collector.spans()}
    assert len(found) == len(records)
    for record in records:
        resource, span = found[record["connection"]["id"], record["connection"]["exchange"]]
        assert (resource, span["attributes"]) == expected(record)
        assert span["kind"] == (2 if record["side"] == "server" else 3)
        assert span["name"] == (record["method"] if record["method"] == "GET" else "HTTP")
        assert int(span["startTimeUnixNano"]) == start_ns(record)
        assert int(span["endTimeUnixNano"]) - start_ns(record) == record["end_ns"] - record["start_ns"]
        events = [[event["name"], int(event["timeUnixNano"]) - start_ns(record)] for event in span["events"]]
        assert events == record["timeline"]
        assert "code" not in span.get("status", {})
    durations = [record["duration_ns"] for record in records if record["duration_ns"] is not None]
    points = collector.points()
    assert sum(int(point["count"]) for *_, point in points) == len(durations)
    assert sum(point["sum"] for *_, point in points) == pytest.approx(sum(durations) * 1e-9)
    assert {(name, "server.address" in own) for _, name, own, _ in points} == {
        ("http.server.request.duration", False),
        ("http.client.request.duration", True),
    }


class Requests:
    """A server and a client of Python's own on loopback; `done` is the client's list."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = b"x" * (int(self.path.rpartition("/")[2]) % 7)
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.port = free_port()
        self.done: list[tuple[str, int, str, str, int]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def send(self, count: int) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(count):
            path, trace, span = f"/item/{len(self.done)}", secrets.token_hex(16), secrets.token_hex(8)
            connection.request("GET", path, headers={"traceparent": f"00-{trace}-{span}-01"})
            answer = connection.getresponse()
            self.done.append((path, answer.status, trace, span, len(answer.read())))
        connection.close()


@pytest.mark.root
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_daemon_reports_what_the_clients_saw(tmp_path: Path, collector: Collector, protocol: str) -> None:
    """Both sides of each request of a real client, once, with the trace that it sent; also over a restart of the
    collector."""
    with Requests() as requests:
        place = Place(tmp_path, [requests.port])
        place.tree["reporters"]["oap"]["addresses"] = []
        endpoint = collector.grpc if protocol == "grpc" else collector.http
        place.tree["reporters"]["otlp"] = {"endpoints": [endpoint], "protocol": protocol, "batch_seconds": 0.2}
        with place.daemon() as daemon:
            requests.send(100)
            wait_until(lambda: len(collector.spans()) >= 200, "spans of both sides", 30)
            collector.stop()
            requests.send(100)
            collector.start()
            wait_until(lambda: len(collector.spans()) >= 400, "what came while the collector was away", 60)
            requests.send(100)
            code, _ = daemon.stop()
            assert code == 0, daemon.said
    for kind in (2, 3):
        spans = [span for _, span in collector.spans() if span["kind"] == kind]
        found = sorted(
            (
                span["attributes"]["url.path"],
                span["attributes"]["http.response.status_code"],
                span["traceId"],
                span["parentSpanId"],
                span["attributes"]["http.response.body.size"],
            )
            for span in spans
        )
        assert found == sorted(requests.done)
    durations = {name: int(point["count"]) for _, name, _, point in collector.points()}
    assert durations == {"http.server.request.duration": 300, "http.client.request.duration": 300}
