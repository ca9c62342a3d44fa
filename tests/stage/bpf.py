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
    """What a BPF program did since it was loaded; its time counts only while statistics are on."""

    runs: int
    time_ns: int


def has_bpftool() -> bool:
    """Whether bpftool is installed."""
    return shutil.which("bpftool") is not None


def entries_of(pid: int) -> dict[str, int]:
    """Number of entries in each map that can grow and that the process holds open, by the map's name."""
    counts = {}
    for number in {int(about["map_id"]) for about in _open_objects(pid) if "map_id" in about}:
        about = json.loads(_bpftool("map", "show", "id", str(number)))
        if about["type"] in KEYED:
            counts[about["name"]] = len(json.loads(_bpftool("map", "dump", "id", str(number))))
    return counts


def runs_by_program(pid: int) -> dict[str, Runs]:
    """Runs of each program that the process holds open, by the program's name."""
    runs = {}
    for about in {about["prog_id"]: about for about in _open_objects(pid) if "run_cnt" in about}.values():
        name = json.loads(_bpftool("prog", "show", "id", about["prog_id"]))["name"]
        runs[name] = Runs(int(about["run_cnt"]), int(about["run_time_ns"]))
    return runs


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
    return subprocess.run(["bpftool", "-j", *words], check=True, capture_output=True, timeout=60).stdout
