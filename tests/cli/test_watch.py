"""`rover watch`, `record` and `replay` on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rover.cli.main import main
from tests.cli.running import ROVER, Running

pytestmark = pytest.mark.root


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def port():
    """Of a server that answers everything."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def get(port: int, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().read() == b"hello"
    connection.close()


def of_me(port: int) -> tuple[str, ...]:
    return ("--port", str(port), "--pid", str(os.getpid()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_prints_the_ledger_and_ends_with_0(port, how):
    with Running("watch", "--format", "json", *of_me(port)) as rover:
        get(port, "/a")
        code, output = rover.stop(how)
    records = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert sorted((record["side"], record["path"], record["status"]) for record in records) == [
        ("client", "/a", 200),
        ("server", "/a", 200),
    ]
    assert {record["local"]["identity"]["pid"] for record in records} == {os.getpid()}
    ledger = json.loads(rover.errors[-1])
    assert ledger["reported"] > 0
    assert ledger["in_flight"] == 0


def test_the_duration_ends_it_too(port):
    with Running("watch", "--duration", "1", *of_me(port)) as rover:
        get(port, "/a")
        code, output = rover.wait()
    assert code == 0
    assert output.count(b"/a") == 2
    assert json.loads(rover.errors[-1])["captured"] > 0


def test_layers_adds_a_bar_under_each_line_and_the_legend_once(port):
    with Running("watch", "--layers", *of_me(port)) as rover:
        get(port, "/a")
        code, output = rover.stop()
    lines = output.decode().splitlines()
    assert code == 0
    assert lines[0].startswith("  █ application")
    records = [at for at, text in enumerate(lines) if " GET " in text]
    assert len(records) == 2
    for at in records:
        assert re.fullmatch("  [█▓▒▚▞▙▄▀░· ]{1,78}", lines[at + 1]), lines[at + 1]
    assert "application" not in "".join(lines[records[0] :])


def test_the_combined_format_goes_to_a_file(port, tmp_path):
    output = tmp_path / "access.log"
    output.write_text("old\n")
    with Running(
        "watch", "--format", "combined", "--micros", "--side", "server", "--output", str(output), *of_me(port)
    ) as rover:
        get(port, "/a?b=c")
        code, _ = rover.stop()
    assert code == 0
    [line] = output.read_text().splitlines()
    assert re.search(r'"GET /a\?b=\* HTTP/1\.[01]" 200 5 .* \d+$', line), line


def test_a_file_that_cannot_be_written_is_one_line(capsys):
    assert main(["watch", "--output", "/nonexistent/access.log"]) == 2
    assert capsys.readouterr().err.endswith(
        "rover: --output /nonexistent/access.log: No such file or directory (see rover watch --help)\n"
    )


def test_a_full_disk_ends_it_with_one_line(port):
    with Running("watch", "--output", "/dev/full", *of_me(port)) as rover:
        get(port, "/a")
        code, _ = rover.wait()
    assert code == 2
    assert rover.errors[-1] == "rover: --output /dev/full: records could not be written, the ledger says how many"
    assert json.loads(rover.errors[-2])["captured"] > 0


def test_systemd_is_told(port, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(10)
        with Running("watch", *of_me(port), environment={"NOTIFY_SOCKET": path}) as rover:
            assert systemd.recv(100) == b"READY=1"
            assert rover.stop()[0] == 0
            assert systemd.recv(100) == b"STOPPING=1"


def test_a_reader_that_goes_away_ends_it(port):
    """As `rover watch | head -1` does."""
    with Running("watch", *of_me(port)) as rover:
        rover.process.stdout.close()
        rover.process.stdout = None
        get(port, "/a")
        assert rover.wait()[0] == 0
    assert "Traceback" not in rover.said


def test_the_exclusion_of_an_executable_holds(port):
    name = os.path.basename(os.path.realpath("/proc/self/exe"))
    with Running("watch", "--format", "json", "--port", str(port), "--exclude-exe", name) as rover:
        get(port, "/a")
        code, output = rover.stop()
    assert (code, output) == (0, b"")
    assert json.loads(rover.errors[-1])["reported"] == 0


def test_a_recording_replayed_gives_the_same_records(port, tmp_path):
    recording = tmp_path / "case.rover"
    with Running("record", str(recording), *of_me(port)) as rover:
        get(port, "/a")
        get(port, "/b?c=d")
        assert rover.stop()[0] == 0
    replays = [
        subprocess.run([ROVER, "replay", recording, "--format", "json"], capture_output=True, check=True)
        for _ in range(2)
    ]
    assert replays[0].stdout == replays[1].stdout
    records = [json.loads(line) for line in replays[0].stdout.splitlines()]
    assert sorted((record["side"], record["path"]) for record in records) == [
        ("client", "/a"),
        ("client", "/b"),
        ("server", "/a"),
        ("server", "/b"),
    ]
    assert json.loads(replays[0].stderr)["reported"] == json.loads(rover.errors[-1])["reported"]


@pytest.mark.parametrize("content", [b"", b"not a recording", b"\0" * 4096])
def test_what_is_no_recording_is_one_line(content, tmp_path, capfd):
    file = tmp_path / "x.rover"
    file.write_bytes(content)
    assert main(["replay", str(file)]) == 2
    captured = capfd.readouterr()
    assert captured.err.startswith(f"rover: {file}: ")
    assert captured.err.count("\n") == 1


def test_without_privileges_it_says_what_is_missing_and_what_to_do():
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    finished = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", ROVER, "watch"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 3
    assert finished.stderr.startswith("rover: missing CAP_BPF")
    assert finished.stderr.count("\n") == 1
