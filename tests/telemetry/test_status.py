"""`rover status`: what it shows of a real daemon, and what it says without one."""

import json
import os
import subprocess

import pytest

from tests.cli.running import ROVER

pytestmark = pytest.mark.root


def status(folder, *words):
    return subprocess.run(
        [ROVER, "status", *words],
        env={**os.environ, "ROVER_DAEMON_FOLDER": str(folder)},
        capture_output=True,
        text=True,
    )


def test_a_status_has_rates_losses_cost_and_hooks(daemon):
    done = status(daemon.folder, "--once")
    assert done.returncode == 0, done.stderr
    assert f"ready, pid {daemon.process.pid}, up" in done.stdout
    heads = [line.split()[0] for line in done.stdout.splitlines() if line]
    for head in ("records", "watched", "waiting", "lost", "own", "applications", "hooks"):
        assert head in heads, done.stdout


def test_as_json_it_is_one_object(daemon):
    told = json.loads(status(daemon.folder, "--json").stdout)
    assert told["pid"] == daemon.process.pid
    assert told["ledger"]["captured"] >= told["ledger"]["reported"]
    assert told["stats"]["programs"]


def test_without_a_daemon_it_says_so(tmp_path):
    done = status(tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"rover: no daemon runs here: nobody answers at {tmp_path}/daemon.sock; "
        "`rover daemon` or `rover up` starts one\n"
    )
