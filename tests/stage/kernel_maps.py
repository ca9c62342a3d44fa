"""What a process keeps in BPF maps, seen from outside: /proc names its maps, bpftool counts their entries."""

import json
import shutil
import subprocess
from pathlib import Path

KEYED = frozenset({"hash", "lru_hash", "lpm_trie"})
"""Kinds of map that grow with what they hold. Arrays do not; storage of tasks and sockets goes with its owner."""


def is_available() -> bool:
    """Whether bpftool is installed."""
    return shutil.which("bpftool") is not None


def entries_of(pid: int) -> dict[str, int]:
    """Number of entries in each map that can grow and that the process holds open, by the map's name."""
    counts = {}
    for number in _map_ids(pid):
        about = json.loads(_bpftool("show", "id", str(number)))
        if about["type"] in KEYED:
            counts[about["name"]] = len(json.loads(_bpftool("dump", "id", str(number))))
    return counts


def _map_ids(pid: int) -> set[int]:
    """Ids of the maps among the process's open files."""
    found = set()
    for about in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = about.read_text().splitlines()
        except FileNotFoundError:
            continue
        found |= {int(line.split()[1]) for line in lines if line.startswith("map_id:")}
    return found


def _bpftool(*words: str) -> bytes:
    return subprocess.run(["bpftool", "-j", "map", *words], check=True, capture_output=True, timeout=60).stdout
