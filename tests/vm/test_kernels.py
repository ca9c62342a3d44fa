"""rover on stock Debian kernels: each is booted, and what `rover watch` tells in it must be what nginx logged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage.rover import EXECUTABLE

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
BOOTS = 2
"""A kernel may panic under emulation, once in five boots of the newest: that is no verdict on rover."""

NEVER_RAN = 125


def run_in_guest(suite, folder, *command):
    """Boot the kernel of a Debian suite, run a command in it, and return its exit status."""
    kernel = subprocess.run([HERE / "kernels.sh", suite], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    for _ in range(BOOTS):
        boot = [HERE / "vmrun", "--quiet", "--timeout", "400", "--out", folder, kernel.stdout.strip(), "--", *command]
        status = subprocess.run(boot, cwd=HERE.parents[1], timeout=450).returncode
        if status != NEVER_RAN:
            break
    return status


def test_exchanges_are_told_on_a_kernel_with_the_hooks(tmp_path):
    """Linux 6.12: exchanges of curl and nginx, both sides, record by record."""
    status = run_in_guest("trixie", tmp_path, sys.executable, "-m", "tests.vm.guest", "/out/result.json")
    assert status == 0, (tmp_path / "console.log").read_text(errors="replace")[-4000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["exchanges"] == 60
    assert result["differences"] == {"server": "", "client": ""}


def test_a_kernel_without_the_hooks_is_refused(tmp_path):
    """Linux 6.1 has no tracepoint at the end of a socket operation: exit code 3 and what is missing, not silence."""
    status = run_in_guest("bookworm", tmp_path, EXECUTABLE, "watch", "--duration", "2")
    console = (tmp_path / "console.log").read_text(errors="replace")
    assert status == 3, console[-4000:]
    assert "sock_send_length" in console
    assert "Traceback" not in console
