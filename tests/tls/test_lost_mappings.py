"""Mappings that the kernel had no room to tell of: counted, and found again among the processes that there are."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stage.deadline import wait_until

from .test_unread import ROOT, waiting

pytestmark = [pytest.mark.root, pytest.mark.slow]

WATCHER = """\
import json, sys
from pathlib import Path
from tests.tls.watching import watching
with watching(Path(sys.argv[1])) as watch:
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(watch.status()), flush=True)
"""

STORM = """\
import mmap, os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
with open(sys.executable, "rb") as file:
    for _ in range(20_000):
        mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
"""

USER = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"


def test_a_library_whose_mapping_was_lost_is_found_in_its_process(tmp_path: Path) -> None:
    """rover is stopped while another program maps a file more often than any buffer has room for."""
    told = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True, timeout=10).stdout
    original = next(line.split(" => ")[1] for line in told.splitlines() if "libssl.so.3" in line)
    copied = tmp_path / "libssl.so.3"
    shutil.copy(original, copied)
    watcher = [sys.executable, "-c", WATCHER, str(tmp_path)]
    with subprocess.Popen(watcher, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"

        def status() -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        def has_found() -> dict[str, Any] | None:
            now = status()
            return now if any(each["path"] == str(copied) and each["attached"] for each in now["libraries"]) else None

        before = status()["mappings_lost"]
        process.send_signal(signal.SIGSTOP)
        try:
            for cpu in sorted(os.sched_getaffinity(0)):
                subprocess.run([sys.executable, "-c", STORM, str(cpu)], check=True, timeout=60)
            with waiting([sys.executable, "-c", USER, str(copied)], "ready") as pid:
                process.send_signal(signal.SIGCONT)
                found = wait_until(has_found, "the library", 30)
                (window,) = [each for each in found["blind_windows"] if each["path"] == str(copied)]
        finally:
            process.send_signal(signal.SIGCONT)
        process.communicate(timeout=30)
    assert found["mappings_lost"] > before
    assert (window["pid"], window["is_older"]) == (pid, False)
