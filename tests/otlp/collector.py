"""A real collector: what it was sent comes out of it as OTLP in JSON."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.stage.deadline import wait_until
from tests.stage.ports import free_port, is_listening

BUILD = Path(__file__).parent / "collector/build.sh"

Attributes = dict[str, Any]


def plain(value: dict[str, Any]) -> Any:
    """The content of an `AnyValue` in JSON: integers are texts there."""
    ((kind, content),) = value.items()
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [plain(item) for item in content.get("values", [])]
    return content


def attributes(pairs: list[dict[str, Any]]) -> Attributes:
    found = {pair["key"]: plain(pair["value"]) for pair in pairs}
    assert len(found) == len(pairs), "a key that occurs twice"
    return found


class Collector:
    """The program of `collector/`, on free ports of 127.0.0.1. A context manager; what came out is in `posts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.grpc_port, self.http_port = free_port(), free_port()
        self.grpc, self.http = f"http://127.0.0.1:{self.grpc_port}", f"http://127.0.0.1:{self.http_port}"
        self.posts: list[tuple[str, dict[str, Any]]] = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                posts.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._sink = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; again after `stop`, on the same ports."""
        program = subprocess.run([BUILD], check=True, capture_output=True, text=True, timeout=600).stdout.split()[-1]
        pipeline = {"receivers": ["otlp"], "exporters": ["otlphttp"]}
        protocols = {"grpc": {"endpoint": self.grpc[7:]}, "http": {"endpoint": self.http[7:]}}
        sink = {
            "endpoint": f"http://127.0.0.1:{self._sink.server_port}",
            "encoding": "json",
            "compression": "none",
            "sending_queue": {"enabled": False},
            "retry_on_failure": {"enabled": False},
        }
        file = self._folder / "collector.yaml"
        file.write_text(
            json.dumps(
                {
                    "receivers": {"otlp": {"protocols": protocols}},
                    "exporters": {"otlphttp": sink},
                    "service": {
                        "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                        "pipelines": {"traces": pipeline, "metrics": pipeline},
                    },
                }
            )
        )
        self._process = subprocess.Popen([program, "--config", f"file:{file}"])
        wait_until(lambda: is_listening(self.grpc_port) and is_listening(self.http_port), "the collector", 30)

    def stop(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._sink.serve_forever, daemon=True).start()
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._sink.shutdown()
        self._sink.server_close()

    def spans(self) -> list[tuple[Attributes, dict[str, Any]]]:
        """Each span with the attributes of its resource; its own are taken apart."""
        found = []
        for path, body in list(self.posts):
            assert path in ("/v1/traces", "/v1/metrics")
            for resource in body.get("resourceSpans", []):
                of_resource = attributes(resource["resource"]["attributes"])
                for scope in resource["scopeSpans"]:
                    assert scope["scope"]["name"] == "rover"
                    for span in scope["spans"]:
                        found.append((of_resource, {**span, "attributes": attributes(span["attributes"])}))
        return found

    def points(self) -> list[tuple[Attributes, str, Attributes, dict[str, Any]]]:
        """The latest points of histograms: resource, metric, attributes, point."""
        latest: dict[str, tuple[Attributes, str, Attributes, dict[str, Any]]] = {}
        for _, body in list(self.posts):
            for resource in body.get("resourceMetrics", []):
                of_resource = attributes(resource["resource"]["attributes"])
                for metric in resource["scopeMetrics"][0]["metrics"]:
                    assert (metric["unit"], metric["histogram"]["aggregationTemporality"]) == ("s", 2)
                    for point in metric["histogram"]["dataPoints"]:
                        own = attributes(point["attributes"])
                        key = json.dumps([of_resource, metric["name"], own], sort_keys=True)
                        latest[key] = (of_resource, metric["name"], own, point)
        return list(latest.values())
