"""What the backend may cost. Measured as CPU time and memory, which other load on the machine changes little."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rover.backend import BackendOptions, Row, open_store
from tests.backend.rows import traffic
from tests.stage.deadline import wait_until

ROWS = 40_000
MOST_CPU_US = 50
"""20 000 rows a second on one core; measured: 14."""
MOST_IDLE_MB = 55
"""Of the 80 MB that all of rover may take when idle; measured: 38."""


@pytest.mark.slow
def test_a_row_costs_less_than_a_twenty_thousandth_of_a_second(tmp_path: Path) -> None:
    """Figures, indexes, compression and retention included, at the size where every batch also removes one."""
    rows: list[Row] = list(traffic(ROWS, time.time_ns()))
    store = open_store(BackendOptions(store_path=tmp_path / "db", retention_bytes=4 << 20))
    began = time.process_time()
    for start in range(0, ROWS, 1000):
        wait_until(lambda: store.facts().queued < 8000, "there is room", 60)
        assert store.put(rows[start : start + 1000]) == 1000
    assert store.flush(60)
    cpu_us = (time.process_time() - began) * 1e6 / ROWS
    store.close()
    assert cpu_us < MOST_CPU_US


def test_an_idle_backend_is_small(tmp_path: Path) -> None:
    """A process of its own that has answered each kind of request once."""
    program = """
import sys, urllib.request
from pathlib import Path
from rover.backend import Backend, BackendOptions, open_store
options = BackendOptions(store_path=Path(sys.argv[1]) / "db", http_address="127.0.0.1:0")
backend = Backend(options, open_store(options), dict)
base = backend.start()
for path in ("api/services", "api/exchanges", "api/node", "openapi.json"):
    with urllib.request.urlopen(base + path) as answer:
        answer.read()
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
backend.stop()
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < MOST_IDLE_MB << 20, f"{int(done.stdout) >> 20} MB"
