"""`kernel.perf_event_paranoid` at 3, as Debian has it: perf events are for CAP_SYS_ADMIN alone, and TLS needs some."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.unit import capabilities
from tests.stage.clients import visit_with_curl
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import EXECUTABLE, Rover

PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
SECONDS = 60
MODE = os.environ.get("ROVER_KERNEL_ATTACH")
KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


@pytest.fixture
def paranoid() -> Iterator[None]:
    """As Debian boots."""
    before = PARANOID.read_text()
    PARANOID.write_text("3")
    yield
    PARANOID.write_text(before)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of a server that speaks TLS."""
    certificate, key, port = tmp_path / "certificate", tmp_path / "key", free_port()
    words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost")
    command = ["openssl", "req", "-x509", *words, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    extra = f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
    with Nginx(tmp_path, free_port(), server=extra):
        yield f"https://127.0.0.1:{port}"


def is_told(rover: Rover, url: str, path: str, side: str, environment: dict[str, str] | None = None) -> bool:
    """Whether an exchange over TLS comes to a record of that side; several are tried, for a probe may come late."""
    port = int(url.rpartition(":")[2])
    for number in range(SECONDS // 3):
        target = f"{path}-{number}"
        command = ["curl", "-sk", "-o", "/dev/null", "--max-time", "30", url + target]
        subprocess.run(command, check=True, env={**os.environ, **(environment or {})}, timeout=40)
        found = rover.records_of(port, side)
        if rover.wait_for(lambda found=found: any((record["path"] or "").startswith(path) for record in found), 3):
            return True
    return False


def bounded(may_all: bool) -> tuple[str, ...]:
    """Words of a command that becomes one with the unit's capabilities, or with these but CAP_SYS_ADMIN."""
    names = [name for name in capabilities() if may_all or name != "sys_admin"]
    return ("setpriv", "--bounding-set", ",".join(("-all", *(f"+{name}" for name in names))))


@pytest.mark.skipif(MODE != "kprobe", reason="for kprobes")
def test_kprobes_that_are_refused_are_named_at_once(paranoid) -> None:
    """Before the programs are loaded, which takes the longer."""
    command = [*bounded(may_all=False), EXECUTABLE, "watch", "--duration", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 3, done.stderr
    assert "kprobes need CAP_SYS_ADMIN while kernel.perf_event_paranoid is above 2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("may_all", [True, False], ids=["unit", "without-sys-admin"])
def test_tls_is_told_where_perf_events_are_refused(paranoid, url, tmp_path: Path, may_all: bool) -> None:
    """With the unit's capabilities on every kernel; without CAP_SYS_ADMIN since 6.6, where links need no perf events.

    A library that comes later is found by looking."""
    if not may_all and KERNEL < (6, 6):
        pytest.skip("uprobes are perf events before 6.6")
    if not may_all and MODE == "kprobe":
        pytest.skip("kprobes are perf events")
    copies = tmp_path / "copies"
    copies.mkdir()
    with Rover(before=bounded(may_all)) as rover:
        assert visit_with_curl([f"{url}/small"], "-k", seconds=SECONDS)[0][1] == 200
        assert is_told(rover, url, "/early", "server"), rover.errors
        shutil.copy(LIBRARIES / "libssl.so.3", copies)
        environment = {"LD_LIBRARY_PATH": str(copies)}
        command = [sys.executable, "-c", f"import ctypes, time; ctypes.CDLL('{copies}/libssl.so.3'); time.sleep(600)"]
        with subprocess.Popen(command) as holder:
            try:
                assert is_told(rover, url, "/late", "client", environment), rover.errors
            finally:
                holder.kill()
        rover.stop(SECONDS)
