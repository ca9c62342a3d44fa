"""`rover up` and `rover backend` on this machine: from a request to the API, and every way not to start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from rover.cli.main import main
from tests.cli.running import ROVER, Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port

pytestmark = pytest.mark.root


class Place:
    """A configuration of its own: ports, database, file of records."""

    def __init__(self, folder: Path) -> None:
        self.http, self.grpc = free_port(), free_port()
        self.database, self.records = folder / "db" / "rover.db", folder / "records.log"
        self.file = folder / "rover.yaml"
        self.write()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def write(self, **more: str) -> None:
        settings = {
            "backend.http.address": f'"127.0.0.1:{self.http}"',
            "backend.grpc.address": f'"127.0.0.1:{self.grpc}"',
            "backend.store.path": str(self.database),
            "reporters.file.path": str(self.records),
            "reporters.oap.addresses": f'["127.0.0.1:{self.grpc}"]',
            **{key.replace("__", "."): value for key, value in more.items()},
        }
        tree: dict = {}
        for key, value in settings.items():
            *sections, name = key.split(".")
            section = tree
            for part in sections:
                section = section.setdefault(part, {})
            section[name] = json.loads(value) if value[0] in '"[{' else value
        self.file.write_text(json.dumps(tree))  # JSON is YAML

    def get(self, path: str) -> dict:
        with urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def visit(self) -> str:
        """Ask the API for what it has not, by a path that nobody else on this machine asks for; returns the path."""
        path = f"/api/visit-{self.http}-{time.monotonic_ns()}"
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{self.url}{path}?a=b", timeout=10)
        caught.value.close()
        assert caught.value.code == 404
        return path


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def eventually(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_so := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)  # between questions to another process; there is nothing to wait on
    return is_so


def shown_after(place: Place) -> tuple[str, float]:
    """The path of a request, and after how many seconds the API knew of it."""
    path = place.visit()
    begin = time.monotonic()
    assert eventually(lambda: place.get(f"/api/exchanges?path={path}&side=server")["exchanges"])
    return path, time.monotonic() - begin


def test_an_exchange_is_on_the_api_in_the_logs_and_in_the_file_within_a_second(place, capsys):
    with Running("up", "-c", str(place.file)) as rover:
        assert place.url + "/" in rover.said
        assert f"127.0.0.1:{place.grpc}" in rover.said
        for _ in range(5):  # somebody else may have the CPU for longer than that once, not each time
            path, delay = shown_after(place)
            if delay < 1.0:
                break
        assert delay < 1.0
        assert main(["logs", "-c", str(place.file), "--path", path, "--side", "server"]) == 0
        assert f"404 GET     127.0.0.1:{place.http}{path}?a=*" in capsys.readouterr().out
        node = place.get("/api/node")
        assert node["watched_processes"] > 0
        assert node["cost"]["rss_bytes"] > 0
        code, output = rover.stop()
    assert (code, output) == (0, b"")
    ledger = json.loads(rover.errors[-1])
    assert ledger["in_flight"] == 0
    assert f'"path":"{path}"' in place.records.read_text()


def test_records_can_be_shown_too(place):
    with Running("up", "-c", str(place.file), "--show", "json") as rover:
        path = place.visit()
        code, output = rover.stop()
    assert code == 0
    assert path in {json.loads(line)["path"] for line in output.splitlines()}


@pytest.mark.slow
def test_a_second_one_on_the_same_machine_is_told_what_is_in_use(place, tmp_path):
    with Running("up", "-c", str(place.file)):
        for changed, names in (
            ({}, ["backend.store.path"]),
            ({"backend__store__path": str(tmp_path / "other.db")}, ["backend.http.address", str(place.http)]),
            (
                {"backend__store__path": str(tmp_path / "more.db"), "backend__http__address": '"127.0.0.1:0"'},
                ["backend.grpc.address", str(place.grpc), "Address already in use"],
            ),
        ):
            place.write(**changed)
            finished = subprocess.run([ROVER, "up", "-c", place.file], capture_output=True, text=True, check=False)
            assert finished.returncode == 2
            last = finished.stderr.splitlines()[-1]
            assert all(name in last for name in names), last
            assert "Traceback" not in finished.stderr


def test_a_watch_beside_it_works(place):
    with (
        Running("up", "-c", str(place.file)) as up,
        Running("watch", "--port", str(place.http), "--format", "json") as watch,
    ):
        path = place.visit()
        code, output = watch.stop()
        assert code == 0
        assert path.encode() in output
        assert up.process.poll() is None


def test_beyond_loopback_the_grpc_services_need_a_token(place, capsys):
    place.write(backend__grpc__address=f'"0.0.0.0:{place.grpc}"')
    assert main(["backend", "-c", str(place.file)]) == 2
    assert capsys.readouterr().err == (
        f"rover: backend.grpc.token_file: backend.grpc.address 0.0.0.0:{place.grpc} is beyond loopback: "
        "that needs a token\n"
    )


def test_a_daemon_reports_to_a_backend_over_the_wire(place, tmp_path):
    with Running("backend", "-c", str(place.file)) as backend:
        with Running("daemon", "-c", str(place.file)) as daemon:
            path = place.visit()
            wanted = f"/api/exchanges?path={path}"
            assert eventually(lambda: place.get(wanted)["exchanges"])
            code, _ = daemon.stop()
            assert code == 0
            assert json.loads(daemon.errors[-1])["reported"] > 0
        assert backend.stop()[0] == 0


def test_a_daemon_without_a_backend_goes_on(place):
    with Running("daemon", "-c", str(place.file)) as daemon:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", place.grpc)) != 0
        code, _ = daemon.stop()
    assert code == 0
    assert "Traceback" not in daemon.said


def refusal(place):
    """What a daemon says that does not start: in a process of its own, which gives up what it may do."""
    done = subprocess.run([ROVER, "daemon", "-c", place.file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    return done.stderr


def test_a_daemon_that_would_report_nowhere_does_not_start(place):
    place.write(reporters__oap__addresses="[]")
    content = json.loads(place.file.read_text())
    del content["reporters"]["file"]
    place.file.write_text(json.dumps(content))
    said = refusal(place)
    assert "reporters.oap.addresses: is empty, reporters.otlp.endpoints too, reporters.file.path is not set" in said


def test_a_file_for_records_that_cannot_be_opened_names_the_key(place):
    place.write(reporters__file__path="/nonexistent/records.log")
    assert refusal(place) == "rover: reporters.file.path: /nonexistent/records.log: No such file or directory\n"


def test_idle_it_holds_less_than_eighty_megabytes(place):
    def resident(pid: int) -> int:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    with Running("daemon", "-c", str(place.file)) as daemon:
        # While it looks for TLS libraries on disk it has their pages mapped, and gives them back.
        wait_until(lambda: resident(daemon.process.pid) < 80_000_000, "less than 80 MB", 20)
        daemon.stop()
