"""`rover logs` against a backend that the test plays."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from rover.cli.main import main


def a_record(number: int, **changes):
    return {
        "id": f"{number:032x}",
        "time": f"2026-01-31T12:34:{number % 60:02d}.000000000Z",
        "side": "server",
        "method": "GET",
        "host": "h",
        "path": f"/{number}",
        "status": 200,
        "flags": [],
        "local": {"address": "127.0.0.1", "port": 80},
        "remote": {"address": "127.0.0.1", "port": 4711},
        **changes,
    }


class FakeBackend(ThreadingHTTPServer):
    """Answers as the API does, from a list of records, and notes what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.records: list[dict] = []
        self.stream: list[str] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.authorizations: list[str | None] = []
        self.answer: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeBackend

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = dict(parse_qsl(parts.query))
        self.server.asked.append((parts.path, asked))
        self.server.authorizations.append(self.headers["Authorization"])
        if self.server.answer is not None:
            status, body = self.server.answer
        elif parts.path.endswith("/stream"):
            status, body = 200, "".join(self.server.stream).encode()
        elif parts.path.startswith("/api/exchanges/"):
            status, body = 200, json.dumps(self._one(*parts.path.split("/")[3:])).encode()
        else:
            status, body = 200, json.dumps(self._page(asked)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, asked: dict[str, str]) -> dict:
        older = [record for record in self.server.records if record["id"] < asked.get("before", "z")]
        newest_first = sorted(older, key=lambda record: record["id"], reverse=True)[: int(asked["limit"])]
        is_more = len(newest_first) < len(older)
        return {"exchanges": newest_first, "next": newest_first[-1]["id"] if is_more else None}

    def _one(self, record_id: str, what: str = "") -> dict:
        """The partner of record 1 is 2 and so on."""
        wanted = int(record_id, 16)
        if not what:
            return next(record for record in self.server.records if int(record["id"], 16) == wanted)
        partner = [record for record in self.server.records if int(record["id"], 16) == wanted + 1]
        return {"partner": partner[0] if partner else None}

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def backend():
    with FakeBackend() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def logs(backend, capsys):
    def run(*arguments: str, code: int = 0) -> list[str]:
        assert main(["logs", "--backend", backend.url, *arguments]) == code
        captured = capsys.readouterr()
        return (captured.err if code else captured.out).splitlines()

    return run


def ids(lines: list[str]) -> list[int]:
    return [int(json.loads(line)["id"], 16) for line in lines]


def event(record: dict) -> str:
    return f"id: {record['id']}\nevent: exchange\ndata: {json.dumps(record)}\n\n"


def test_records_are_printed_oldest_first(backend, logs):
    backend.records = [a_record(number) for number in (1, 2, 3)]
    assert ids(logs("--format", "json")) == [1, 2, 3]
    assert [line.split()[4] for line in logs()] == ["h/1", "h/2", "h/3"]


def test_filters_are_the_backends(backend, logs):
    logs(
        *("--service", "nginx", "--method", "GET", "--path", "/a b/*", "--status", "404,5xx", "--slower", "200ms"),
        *("--side", "server", "--from", "2026-01-31T12:00:00+01:00", "--to", "2026-01-31T13:00:00Z", "--limit", "7"),
        *("--peer", "10.0.0.7"),
    )
    assert backend.asked == [
        (
            "/api/exchanges",
            {
                "service": "nginx",
                "method": "GET",
                "path": "/a b/*",
                "status": "404,5xx",
                "slower": "200ms",
                "side": "server",
                "peer": "10.0.0.7",
                "from": "2026-01-31T12:00:00+01:00",
                "to": "2026-01-31T13:00:00Z",
                "limit": "7",
            },
        )
    ]


def test_more_than_a_page_is_asked_for_in_pages(backend, logs):
    backend.records = [a_record(number) for number in range(1, 1201)]
    assert ids(logs("--limit", "1100", "--format", "json")) == list(range(101, 1201))
    assert [asked["limit"] for _, asked in backend.asked] == ["500", "500", "100"]


def test_following_shows_what_is_there_then_what_comes_each_once(backend, logs):
    backend.records = [a_record(1), a_record(2)]
    backend.stream = [": beat\n\n", event(a_record(2)), event(a_record(3)), 'event: skipped\ndata: {"count": 9}\n\n']
    assert ids(logs("--follow", "--format", "json", "--status", "5xx")) == [1, 2, 3]
    assert backend.asked[0] == ("/api/exchanges/stream", {"status": "5xx"})


def test_an_unfinished_exchange_comes_again_when_it_is_finished(backend, logs):
    backend.records = [a_record(1, flags=["unfinished"])]
    backend.stream = [event(a_record(1, flags=["unfinished"])), event(a_record(1))]
    lines = logs("--follow", "--format", "json")
    assert [json.loads(line)["flags"] for line in lines] == [["unfinished"], []]


def test_an_unfinished_exchange_that_is_finished_at_once_comes_again(backend, logs):
    backend.records = [a_record(1, flags=["unfinished"])]
    backend.stream = [event(a_record(1))]
    assert len(logs("--follow", "--format", "json")) == 2


def test_records_that_were_too_many_are_told(backend, capsys):
    backend.stream = ['event: skipped\ndata: {"count": 9}\n\n']
    assert main(["logs", "--backend", backend.url, "-f"]) == 0
    assert capsys.readouterr().err == "rover: 9 records were too many to follow\n"


def test_an_end_has_no_place_beside_follow(logs):
    assert "--to has no place" in logs("--follow", "--to", "2026-01-31T13:00:00Z", code=2)[0]


def test_what_the_backend_says_of_a_bad_filter_is_shown(backend, logs):
    backend.answer = (400, b'{"error": {"code": "bad_parameter", "message": "status: 999x is no status"}}')
    assert logs("--status", "999x", code=2) == [f"rover: {backend.url}: status: 999x is no status"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((500, b"oops"), "answered 500 Internal Server Error"),
        ((404, b'{"detail": 1}'), "answered 404 Not Found"),
        ((200, b"<html>"), "no JSON in the answer"),
    ],
)
def test_what_is_no_backend_is_named(backend, logs, answer, says):
    backend.answer = answer
    [line] = logs(code=2)
    assert line.startswith(f"rover: {backend.url}")
    assert says in line


def test_no_backend_is_one_line_that_says_how_to_start_one(capsys):
    with FakeBackend() as gone:
        url = gone.url
    assert main(["logs", "--backend", url]) == 2
    assert capsys.readouterr().err == (
        f"rover: {url}: Connection refused; is a backend running? `rover up` starts one\n"
    )


def test_other_schemes_are_refused(capsys):
    assert main(["logs", "--backend", "file:///etc/passwd"]) == 2
    assert "must begin with http:// or https://" in capsys.readouterr().err


def test_address_and_token_come_from_the_configuration(backend, tmp_path, capsys):
    token, file = tmp_path / "token", tmp_path / "rover.yaml"
    token.write_text("a-long-secret-token\n")
    address = backend.url.removeprefix("http://")
    file.write_text(f"backend: {{http: {{address: '{address}', token_file: {token}}}}}")
    assert main(["logs", "-c", str(file)]) == 0
    assert backend.authorizations == ["Bearer a-long-secret-token"]
    assert capsys.readouterr().out == ""


TIMELINE = [["read", 0], ["read_end", 0], ["write", 750], ["write_end", 1000]]


def test_layers_adds_a_bar_under_each_line_and_the_legend_once(backend, logs):
    backend.records = [a_record(number, duration_ns=1000, timeline=TIMELINE) for number in (1, 2)]
    lines = logs("--layers")
    bars = [at for at, text in enumerate(lines) if text == "  " + "█" * 58 + "▒" * 20]
    assert [" h/1 " in lines[at - 1] or " h/2 " in lines[at - 1] for at in bars] == [True, True]
    assert sum("█ application" in text for text in lines) == 1
    assert [json.loads(text)["path"] for text in logs("--layers", "--format", "json")] == ["/1", "/2"]


def test_ids_begin_the_lines_that_show_is_asked_with(backend, logs):
    backend.records = [a_record(1)]
    assert logs("--ids")[0].startswith(f"{1:032x} 2026-01-31 ")


def test_show_draws_an_exchange_and_the_other_end(backend, logs):
    times = {"start_ns": 5, "duration_ns": 1000, "timeline": TIMELINE}
    backend.records = [a_record(1, **times), a_record(2, side="client", **times)]
    lines = logs("show", f"{1:032x}")
    assert [path for path, _ in backend.asked] == [
        f"/api/exchanges/{1:032x}",
        f"/api/exchanges/{1:032x}/partner",
    ]
    assert [text for text in lines if re.match("(client|network|server)", text)][:3] == [
        "client 127.0.0.1:80",
        "network",
        "server 127.0.0.1:80",
    ]
    assert any(re.match("  application the application at work +750 ns █+$", text) for text in lines)
    assert ids(logs("show", f"{1:032x}", "--format", "json")) == [1, 2]
    assert ids(logs("show", f"{2:032x}", "--format", "json")) == [2]


def test_show_takes_colours_when_it_is_told_to(backend, logs):
    backend.records = [a_record(1, duration_ns=1000, timeline=TIMELINE)]
    assert any("\x1b[38;5;" in text for text in logs("show", "--color", "always", f"{1:032x}"))


@pytest.mark.parametrize("text", ["1", "0" * 31, "../node", "A" * 32])
def test_what_is_no_id_is_told_before_anybody_is_asked(backend, logs, text):
    assert "is no id" in logs("show", text, code=2)[0]
    assert backend.asked == []
