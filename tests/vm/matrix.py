"""The kernels and attach modes of `make vm`, and how one of them is booted for tests.

Kernels come from Debian suites: the newest package of each, fetched once (kernels.sh). The archive has none below 5.10.
"""

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "sid": "sid"}
"""Kernel as `make vm KERNEL=…` calls it → Debian suite. sid has the newest."""

MODES = ("fentry", "kprobe", "tracepoint")

REFUSED = {("5.10", "fentry"), ("5.10", "kprobe"), ("5.10", "tracepoint"), ("6.1", "tracepoint")}
"""Where rover cannot capture, and says so: 5.10 has no task storage, 6.1 no tracepoint that ends socket operations."""

BOOTS = 3
"""A kernel may panic under emulation, once in five boots of the newest: that is no verdict on rover."""

NEVER_RAN = 125
SECONDS = 1140
"""The most that one boot may take. The slowest guest, sid with fentry, loads rover in 20 s each time and needs half of
it on a machine that does nothing else."""


def kernels() -> list[str]:
    """Kernels to test: the one that `VM_KERNEL` names, or all."""
    wanted = os.environ.get("VM_KERNEL")
    if wanted and wanted not in SUITES:
        raise SystemExit(f"no kernel {wanted}: one of {', '.join(SUITES)}")
    return [wanted] if wanted else list(SUITES)


@dataclass
class Verdict:
    """What became of the tests of one file in a guest."""

    passed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Test and reason."""
    failed: list[str] = field(default_factory=list)
    """Test and what pytest told of it."""


def boot(kernel: str, folder: Path, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Boot a kernel, run a command in it and return its status; `folder` is /out there, with the console's log.

    NEVER_RAN when the kernel did not live long enough in any of BOOTS boots."""
    fetch = subprocess.run([HERE / "kernels.sh", SUITES[kernel]], stdout=subprocess.PIPE, text=True, check=True)
    words = ["env", *(f"{name}={value}" for name, value in (environment or {}).items()), *command]
    run = [HERE / "vmrun", "--quiet", "--timeout", str(SECONDS), "--out", folder, fetch.stdout.strip(), "--", *words]
    status = NEVER_RAN
    for _ in range(BOOTS):
        status = subprocess.run(run, cwd=ROOT, timeout=SECONDS + 60).returncode
        if status != NEVER_RAN:
            break
    return status


def console(folder: Path) -> str:
    """The last that the guest said."""
    return (folder / "console.log").read_text(errors="replace")[-4000:]


def verdicts(results: Path) -> dict[str, Verdict]:
    """What a JUnit file tells, by file of tests (`tests/layers/test_queue.py`)."""
    found: dict[str, Verdict] = {}
    for case in ElementTree.parse(results).iter("testcase"):
        name = case.get("name", "")
        verdict = found.setdefault(file_of(case.get("classname", "")), Verdict())
        problems = [*case.iter("failure"), *case.iter("error")]
        skips = list(case.iter("skipped"))
        if problems:
            verdict.failed += [f"{name}\n{problem.text}" for problem in problems]
        elif skips:
            verdict.skipped += [f"{name}: {skip.get('message', '')}" for skip in skips]
        else:
            verdict.passed += 1
    return found


def file_of(class_name: str) -> str:
    """`tests.layers.test_queue` → `tests/layers/test_queue.py`."""
    return class_name.replace(".", "/") + ".py"
