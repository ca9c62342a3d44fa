"""A rules file under a running rover."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.stage.ports import free_port
from tests.stage.rover import Record, Rover, unexplained

pytestmark = pytest.mark.root

NAMING = "rules:\n- name: {exe: 'python*', cmdline: '*http.server*'}\n  service: shop\n"
EXCLUDING = "rules:\n- exclude: {cmdline: '*http.server*'}\n"


def write(path: Path, text: str) -> None:
    """As an editor does: another file takes the name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def ask(port: int, path: str) -> None:
    with suppress(HTTPError):  # there is no such file
        urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5).close()


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
        assert time.monotonic() < deadline, "nobody listens"


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(tmp_path):
    """Named, excluded, and after a broken file, which changes nothing, watched again: verdicts reach the kernel."""
    rules, port = tmp_path / "rules.yaml", free_port()
    rules.write_text(NAMING)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_open(port)
        environment = {"ROVER_WATCH_RULES_FILE": str(rules)}
        with Rover("--port", str(port), "--side", "server", environment=environment) as rover:

            def served() -> list[Record]:
                return rover.records_of(port, "server")

            def is_said(words: str) -> bool:
                return any(words in line for line in rover.errors)

            ask(port, "first")
            assert rover.wait_for(lambda: len(served()) == 1)
            assert served()[0]["local"]["identity"]["service"] == "shop"
            write(rules, EXCLUDING)
            assert rover.wait_for(lambda: is_said("other rules are taken over"))
            ask(port, "second")  # may come before the engine has heard of it
            write(rules, "rules:\n- excluded: {exe: a}\n")
            assert rover.wait_for(lambda: is_said("rules file is broken"))
            assert any("rules.yaml:2: unknown key excluded" in line for line in rover.errors)
            ask(port, "third")
            write(rules, "rules: []\n")
            deadline = time.monotonic() + 20
            while not rover.wait_for(lambda: served()[-1]["path"] == "/fourth", 0.2):
                assert time.monotonic() < deadline
                ask(port, "fourth")
            assert rover.wait_for(lambda: served()[-1]["path"] == "/fourth")
            assert "/third" not in [record["path"] for record in served()]
            assert "service" in served()[-1]["local"]["identity"]
            assert unexplained(rover.stop()) == 0
    finally:
        server.kill()
        server.wait()
