"""BPF maps and programs of a process, seen from outside: /proc names them, bpftool counts what is in the maps."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

KEYED = frozenset({"hash", "lru_hash", "lpm_trie"})
"""Kinds of map that grow with what they hold. Arrays do not; storage of tasks and sockets goes with its owner."""

STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")


class Runs(NamedTuple):
    """What BPF programs did since they were loaded, while statistics were on."""

    runs: int
    time_ns: int


def has_bpftool() -> bool:
    """Whether bpftool is installed."""
    return shutil.which("bpftool") is not None


def entries_of(pid: int) -> dict[str, int]:
    """Number of entries in each map that can grow and that the process holds open, by the map's name."""
    counts = {}
    for number in {int(about["map_id"]) for about in _open_objects(pid) if "map_id" in about}:
        about = json.loads(_bpftool("show", "id", str(number)))
        if about["type"] in KEYED:
            counts[about["name"]] = len(json.loads(_bpftool("dump", "id", str(number))))
    return counts


def runs_of(pid: int) -> Runs:
    """Runs of all the programs that the process holds open, each counted once."""
    programs = {about["prog_id"]: about for about in _open_objects(pid) if "run_cnt" in about}
    return Runs(
        sum(int(about["run_cnt"]) for about in programs.values()),
        sum(int(about["run_time_ns"]) for about in programs.values()),
    )


@contextmanager
def statistics() -> Iterator[None]:
    """Run-time statistics of BPF programs while the block runs; as before afterwards."""
    before = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        yield
    finally:
        STATISTICS.write_text(before)


def _open_objects(pid: int) -> Iterator[dict[str, str]]:
    """What /proc tells of each open file of the process."""
    for about in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = about.read_text().splitlines()
        except FileNotFoundError:
            continue
        yield {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _bpftool(*words: str) -> bytes:
    return subprocess.run(["bpftool", "-j", "map", *words], check=True, capture_output=True, timeout=60).stdout
