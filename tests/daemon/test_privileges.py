"""What a running daemon may do, and what it leaves behind when it is killed."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.telemetry.conftest import get, metrics_port, to_file

pytestmark = pytest.mark.root

KEPT = {"bpf": 39, "perfmon": 38, "sys_ptrace": 19, "net_admin": 12, "dac_read_search": 2, "checkpoint_restore": 40}
SYS_NICE, SYSLOG, DAC_OVERRIDE = 23, 34, 1
FOUR = ("bpf", "perfmon", "sys_ptrace", "net_admin")


def sets_of(pid: int) -> set[tuple[tuple[str, int], ...]]:
    """The capability sets of each thread, and whether it can gain new ones; one element if all are alike."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        fields = re.findall(r"^(Cap\w+|NoNewPrivs):\s+(\w+)$", status, re.M)
        found.add(tuple((name, int(value, 16)) for name, value in fields))
    return found


def mask(*bits: int) -> int:
    return sum(1 << bit for bit in bits)


def test_all_that_is_not_needed_is_given_up_in_every_thread(tmp_path: Path) -> None:
    """From every set, and no program that it starts can get it back."""
    with Running("daemon", environment=to_file(tmp_path)) as daemon:
        kept = mask(*KEPT.values(), SYS_NICE, SYSLOG)
        assert sets_of(daemon.process.pid) == {
            (("CapInh", 0), ("CapPrm", kept), ("CapEff", kept), ("CapBnd", kept), ("CapAmb", 0), ("NoNewPrivs", 1))
        }
        assert daemon.stop()[0] == 0


def test_a_file_among_those_of_another_user_costs_one_more(tmp_path: Path) -> None:
    """Root without the power over others' files could not write it."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    os.chown(folder, 65534, 65534)
    with Running("daemon", environment=to_file(folder)) as daemon:
        (sets,) = sets_of(daemon.process.pid)
        assert dict(sets)["CapEff"] == mask(*KEPT.values(), SYS_NICE, SYSLOG, DAC_OVERRIDE)
        assert daemon.stop()[0] == 0
    assert "a privilege more than usual is kept name=CAP_DAC_OVERRIDE" in daemon.said


def test_four_capabilities_are_enough(tmp_path: Path) -> None:
    """Records with names of both ends, metrics and status: as with all of root's."""
    words = ("setpriv", "--bounding-set", ",".join(("-all", *(f"+{name}" for name in FOUR))))
    with Running("daemon", environment=to_file(tmp_path), before=words) as daemon:
        (sets,) = sets_of(daemon.process.pid)
        assert dict(sets)["CapEff"] == mask(*(KEPT[name] for name in FOUR))
        assert get(metrics_port(daemon), "/readyz")[0].status == 200
        url = f"http://127.0.0.1:{metrics_port(daemon)}/healthz"
        urllib.request.urlopen(url, timeout=10).read()
        told = tmp_path / "records.json"
        wait_until(lambda: told.exists() and '"executable"' in told.read_text(), "a record with its process")
        assert daemon.stop()[0] == 0


def bpf_objects(pid: int) -> dict[str, set[int]]:
    """Ids of the programs, maps and links that a process holds."""
    found: dict[str, set[int]] = {"prog": set(), "map": set(), "link": set()}
    for about in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = about.read_text()
        except OSError:
            continue
        for kind in found:
            found[kind] |= {int(number) for number in re.findall(rf"^{kind}_id:\s+(\d+)$", text, re.M)}
    return found


def exists(kind: str, number: int) -> bool:
    """Whether the kernel still has it."""
    done = subprocess.run(["bpftool", kind, "show", "id", str(number)], capture_output=True)
    return done.returncode == 0


def test_a_daemon_that_is_killed_leaves_nothing_in_the_kernel(program, tmp_path: Path) -> None:
    """No program, map or link of its own, nothing pinned, no uprobe: all hang on its descriptors."""
    program("bpftool")
    pinned = set(Path("/sys/fs/bpf").rglob("*"))
    with Running("daemon", environment=to_file(tmp_path)) as daemon:
        held = bpf_objects(daemon.process.pid)
        assert len(held["prog"]) >= 10
        assert len(held["link"]) >= 10
        assert len(held["map"]) >= 10
        assert all(exists(kind, number) for kind, numbers in held.items() for number in list(numbers)[:3])
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        wait_until(
            lambda: not [number for kind, numbers in held.items() for number in numbers if exists(kind, number)],
            "all objects gone",
            30,
        )
    assert set(Path("/sys/fs/bpf").rglob("*")) <= pinned
    events = Path("/sys/kernel/tracing/uprobe_events")
    if events.exists():
        assert "rover" not in events.read_text()


def test_wrong_tokens_are_answered_only_so_often(tmp_path: Path) -> None:
    """Guessing is slow; who has the token is not kept waiting."""
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / "token").chmod(0o600)
    port = free_port()
    environment = {
        "ROVER_BACKEND_HTTP_ADDRESS": f"127.0.0.1:{port}",
        "ROVER_BACKEND_HTTP_TOKEN_FILE": str(tmp_path / "token"),
        "ROVER_BACKEND_GRPC_ADDRESS": "127.0.0.1:0",
        "ROVER_BACKEND_STORE_PATH": str(tmp_path / "rover.db"),
    }
    with Running("backend", environment=environment) as backend:
        begin = time.monotonic()
        statuses = [get_wrong(port) for _ in range(300)]
        assert set(statuses) == {401, 429}, (statuses, time.monotonic() - begin)
        assert get(port, "/api/services", Authorization="Bearer 0123456789abcdef")[0].status == 200
        assert backend.stop()[0] == 0


def get_wrong(port: int) -> int:
    from tests.telemetry.conftest import get_once

    return get_once(port, "/api/services", Authorization="Bearer wrong")[0].status
