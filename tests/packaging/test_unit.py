"""The systemd unit, judged by systemd's own tools."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Running
from tests.packaging.unit import UNIT, values

MOST_EXPOSED = 4.5
"""Of ten. Of what is left, two thirds is what watching a machine is: its processes, its network, its kernel."""

SYSTEMD_MISSING = shutil.which("systemd-analyze") is None
pytestmark = pytest.mark.skipif(SYSTEMD_MISSING, reason="needs systemd-analyze: apt-get install systemd")


def test_systemd_understands_every_line(tmp_path):
    """The command need not be installed here: another one stands for it."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/rover", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_is_exposed_to_stays_small():
    command = ["systemd-analyze", "security", "--offline=yes", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    level = re.search(r"Overall exposure level for rover.service: ([0-9.]+)", done.stdout)
    assert level, done.stdout[-500:]
    assert float(level[1]) <= MOST_EXPOSED


def test_a_cause_that_another_start_does_not_mend_is_not_tried_again():
    """The exit codes of `rover --help`: 2 bad configuration, 3 a kernel that cannot."""
    assert values("RestartPreventExitStatus") == ["2 3"]


@pytest.mark.root
@pytest.mark.slow
def test_the_daemon_makes_no_system_call_that_the_unit_refuses(tmp_path: Path):
    """From its start to its end, all threads, as strace saw them."""
    trace, settings = tmp_path / "trace", tmp_path / "rover.yaml"
    reporters = {"oap": {"addresses": []}, "file": {"path": str(tmp_path / "records")}}
    settings.write_text(json.dumps({"reporters": reporters}))
    traced = ("strace", "-f", "-qq", "-e", "signal=none", "-o", str(trace))
    with Running("daemon", "-c", str(settings), before=traced) as rover:
        (child,) = Path(f"/proc/{rover.process.pid}/task/{rover.process.pid}/children").read_text().split()
        subprocess.run(["kill", "-s", str(int(signal.SIGTERM)), child], check=True)
        assert rover.wait()[0] == 0, rover.said
    found = (re.match(r"\d+ +(?:<\.\.\. )?(\w+)[( ]", line) for line in trace.read_text().splitlines())
    made = {match[1] for match in found if match}
    assert {"bpf", "perf_event_open"} <= made
    allowed = {"@default", *values("SystemCallFilter")[0].split()}
    assert made - set().union(*(system_calls(name) for name in allowed)) == set()


def system_calls(name: str) -> set[str]:
    """Those that a name of a filter stands for; a name without @ is one."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    inner = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*(system_calls(each) for each in inner))
