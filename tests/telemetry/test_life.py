"""Whether a daemon lives, as probes, systemd and a second daemon see it."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.running import ROVER, Running
from tests.stage.alone import Alone
from tests.stage.deadline import wait_until
from tests.stage.stalled import stalled, thread_named

from .conftest import get, metrics_port, to_file

pytestmark = pytest.mark.root


@pytest.fixture
def systemd(tmp_path: Path):
    """The socket of a systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


def heard(systemd: socket.socket, seconds: float) -> list[str]:
    """All that comes within the time."""
    end, words = time.monotonic() + seconds, []
    while (left := end - time.monotonic()) > 0:
        systemd.settimeout(left)
        try:
            words.append(systemd.recv(4096).decode())
        except TimeoutError:
            break
    return words


def test_signs_of_life_stop_with_the_drain_thread_and_come_again(tmp_path: Path, systemd: socket.socket) -> None:
    """The interpreter lives on meanwhile: a watchdog that it fed by itself would see nothing."""
    systemd_says = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    with Running("daemon", environment=to_file(tmp_path) | systemd_says) as daemon:
        first = heard(systemd, 2)
        assert first[0] == "READY=1"
        assert first.count("WATCHDOG=1") >= 2
        assert any(re.match(r"STATUS=ready · \d+ records · \d+ processes watched", word) for word in first), first
        port = metrics_port(daemon)
        with stalled(thread_named(daemon.process.pid, "rover-drain")):
            heard(systemd, 1.5)  # what was on its way
            assert heard(systemd, 2) == []
            assert wait_until(lambda: get(port, "/healthz")[0].status == 503, "stalled")
            assert get(port, "/readyz")[1] == "stalled\n"
            assert get(port, "/metrics")[0].status == 200
        assert wait_until(lambda: get(port, "/healthz")[0].status == 200, "alive again")
        assert "WATCHDOG=1" in heard(systemd, 2)
        assert daemon.stop()[0] == 0
        assert "STOPPING=1" in heard(systemd, 1)
    assert "does not drain" in daemon.said


def test_a_second_daemon_says_who_holds_the_lock(tmp_path: Path) -> None:
    """One line with pid and command, exit code 2; the first one is not disturbed, and its end frees the place."""
    alone = Alone()
    environment = to_file(tmp_path) | alone.variables
    with Running("daemon", environment=environment) as first:
        second = subprocess.run([ROVER, "daemon"], env={**os.environ, **environment}, capture_output=True, text=True)
        assert second.returncode == 2
        assert re.fullmatch(
            rf"rover: {alone.folder}/daemon.lock: another daemon runs on this machine: "
            rf"pid {first.process.pid} \(.*rover daemon\)\n",
            second.stderr,
        ), second.stderr
        assert get(metrics_port(first), "/readyz")[0].status == 200
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with Running("daemon", environment=environment) as third:
        assert third.stop()[0] == 0
    assert not (Path(alone.folder) / "daemon.sock").exists()
    alone.close()


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Somebody could put a socket of his own there."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    environment = to_file(tmp_path) | {"ROVER_DAEMON_FOLDER": str(tmp_path / "open")}
    done = subprocess.run([ROVER, "daemon"], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "daemon.folder: " in done.stderr
    assert "can be written by other users" in done.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ROVER_METRICS_ADDRESS": "0.0.0.0:0"}, "metrics.token_file: metrics.address 0.0.0.0:0 is beyond loopback"),
        ({"ROVER_METRICS_ADDRESS": "192.0.2.1:9464"}, "metrics.token_file: metrics.address 192.0.2.1:9464 is beyond"),
        ({"ROVER_METRICS_TOKEN_FILE": "/nowhere"}, "metrics.token_file: /nowhere: No such file"),
    ],
)
def test_metrics_that_cannot_be_served_end_the_start(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    """In one line that names the key."""
    alone = Alone()
    environment = to_file(tmp_path) | alone.variables | variables
    done = subprocess.run([ROVER, "daemon"], env={**os.environ, **environment}, capture_output=True, text=True)
    alone.close()
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_beyond_loopback_metrics_need_the_token_and_probes_do_not(tmp_path: Path) -> None:
    """A probe has no way to keep a secret, and learns a word."""
    (tmp_path / "token").write_text("0123456789abcdef-secret\n")
    (tmp_path / "token").chmod(0o600)
    variables = {
        "ROVER_METRICS_ADDRESS": "0.0.0.0:0",
        "ROVER_METRICS_TOKEN_FILE": str(tmp_path / "token"),
        "ROVER_LOG_FORMAT": "json",
    }
    with Running("daemon", environment=to_file(tmp_path) | variables, is_json=True) as daemon:
        port = metrics_port(daemon)
        assert get(port, "/metrics")[0].status == 401
        assert get(port, "/metrics", Authorization="Bearer wrong")[0].status == 401
        assert get(port, "/metrics", Authorization="Bearer 0123456789abcdef-secret")[0].status == 200
        assert get(port, "/healthz")[0].status == 200
        assert daemon.stop()[0] == 0
    assert "0123456789abcdef" not in daemon.said


def test_without_an_address_there_are_no_metrics_but_a_status(tmp_path: Path) -> None:
    """The local socket is there always."""
    alone = Alone()
    environment = to_file(tmp_path) | alone.variables | {"ROVER_METRICS_ADDRESS": "null"}
    with Running("daemon", environment=environment) as daemon:
        assert "metrics" not in daemon.said
        done = subprocess.run([ROVER, "status", "--once"], env={**os.environ, **environment}, capture_output=True)
        assert done.returncode == 0
        assert b": ready, pid " in done.stdout
    alone.close()
