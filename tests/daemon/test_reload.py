"""SIGHUP: what a running daemon takes over, what it names, and that a broken file changes nothing."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.cli.running import ROVER, Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port, wait_listening

pytestmark = pytest.mark.root


class Site:
    """A server of its own, a daemon with a file as configuration, and the records of both."""

    def __init__(self, folder: Path) -> None:
        self.file, self.records = folder / "rover.yaml", folder / "records.json"
        self.port = free_port()
        self.asked = 0
        self.write({})

    def write(self, more: dict) -> None:
        """The configuration: what these tests need, and this."""
        base = {
            "reporters": {"oap": {"addresses": []}, "file": {"path": str(self.records)}},
            "kubernetes": {"enabled": "off"},
            "watch": {"ports": [self.port]},
        }
        self.file.write_text(yaml.safe_dump(base | more))

    def ask(self) -> str:
        """One exchange, under a path that no other has."""
        self.asked += 1
        url = f"http://127.0.0.1:{self.port}/?number={self.asked}"
        urllib.request.urlopen(url, timeout=10).read()
        return f"number={self.asked}"

    def told(self) -> list[dict]:
        """The records so far."""
        lines = self.records.read_text().splitlines() if self.records.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(site.port), "--bind", "127.0.0.1", "--directory", str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    wait_listening(site.port)
    yield site
    server.kill()
    server.wait()


@contextmanager
def running(site: Site) -> Iterator[Running]:
    with Running("daemon", "-c", str(site.file)) as daemon:
        yield daemon
        assert daemon.stop()[0] == 0
    assert "Traceback" not in daemon.said
    assert json.loads(daemon.errors[-1])["in_flight"] == 0


def reload(daemon: Running, until: str) -> None:
    """Send the signal and wait until the daemon has said this once more."""
    before = len(re.findall(until, daemon.said))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(re.findall(until, daemon.said)) > before, until)


def test_what_can_be_taken_over_is_and_the_rest_is_named(site: Site) -> None:
    """The query as it is kept, from the next exchange on; a size of the kernel's needs a restart."""
    with running(site) as daemon:
        site.ask()
        wait_until(lambda: len(site.told()) == 2, "both ends of the first")
        more = {"capture": {"query": "keep"}, "kernel": {"ring_bytes": "8 MiB"}, "log": {"level": "debug"}}
        site.write(more)
        reload(daemon, r"configuration read again changed=capture.query,log.level")
        wait_until(lambda: daemon.said.count("needs a restart: kernel.ring_bytes") == 1, "the rest")
        kept = site.ask()
        wait_until(lambda: len(site.told()) == 4, "both ends of the second")
        assert [record["query"] for record in site.told()] == ["number=*", "number=*", kept, kept]
        reload(daemon, "configuration read again changed=nothing")
        wait_until(lambda: daemon.said.count("needs a restart: kernel.ring_bytes") == 2, "the rest again")


def test_rules_decide_on_processes_that_run(site: Site) -> None:
    """The server is excluded, later watched again: of its exchanges in between nothing is told."""
    with running(site) as daemon:
        site.ask()
        wait_until(lambda: len(site.told()) == 2, "both ends")
        site.write({"watch": {"ports": [site.port], "exclude": [{"port": site.port}]}})
        reload(daemon, "other rules are taken over")
        for _ in range(3):
            site.ask()
        wait_until(lambda: len(site.told()) == 5, "the client's ends")
        site.write({})
        reload(daemon, "other rules are taken over")
        site.ask()
        wait_until(lambda: len(site.told()) >= 7, "both ends again")
        assert [record["side"] for record in site.told()].count("server") == 2


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("capture: {qery: keep}", r"rover.yaml:1: unknown key capture.qery; did you mean capture.query\?"),
        ("capture: {query: [}", r"rover.yaml:1: is not valid YAML"),
        ("capture: {query: all}", r"rover.yaml:1: capture.query must be one of keep, mask, drop"),
        ("watch: {exclude: [{user: nobody-such}]}", r"nobody-such"),
        ("watch: {rules_file: /nowhere}", r"/nowhere: cannot be read"),
        ("metrics: {token_file: /nowhere}", r"metrics.token_file: /nowhere"),
    ],
)
def test_a_broken_file_changes_nothing(site: Site, broken: str, said: str) -> None:
    """Said in one line with file and line, key and the nearest one; the right file is taken over afterwards."""
    with running(site) as daemon:
        site.file.write_text(f"{broken}\n")
        reload(daemon, f"the configuration is broken, the values before it stay in force error=.*{said}")
        site.ask()
        wait_until(lambda: len(site.told()) == 2, "both ends")
        assert {record["query"] for record in site.told()} == {"number=*"}
        site.write({"capture": {"query": "keep"}})
        reload(daemon, "configuration read again changed=capture.query")


def test_systemd_is_told_of_a_reload(site: Site, tmp_path: Path) -> None:
    """RELOADING=1 with the time of the clock that systemd compares with, then READY=1: Type=notify-reload."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with Running("daemon", "-c", str(site.file), environment=environment) as daemon:
            words = []
            daemon.process.send_signal(signal.SIGHUP)
            while sum(word == "READY=1" for word in words) < 2:
                words.append(systemd.recv(4096).decode())
            states = [word for word in words if not word.startswith("STATUS=")]
            assert states[0] == "READY=1"
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", states[1])
            assert daemon.stop()[0] == 0


def test_the_effective_configuration_tells_where_each_value_comes_from(site: Site) -> None:
    """Default, file and line, variable."""
    import os

    environment = {**os.environ, "ROVER_CAPTURE_QUERY": "drop"}
    shown = subprocess.run(
        [ROVER, "config", "show", "-c", site.file], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"^capture.query: drop +# ROVER_CAPTURE_QUERY$", shown, re.M)
    assert re.search(rf"^watch.ports: \[{site.port}\] +# {site.file}:\d+$", shown, re.M)
    assert re.search(r"^kernel.attach: auto +# default$", shown, re.M)
