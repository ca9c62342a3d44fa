"""What the engine found when it tried every hook, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rover._engine import probe
from rover.config import Config
from rover.daemon.options import engine_options

Finding = dict[str, Any]
"""`{"kernel", "privileges", "hooks", "figures", "programs", "load_ms", "error"}` as `probe` gives it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was looked at."""

    section: str
    name: str
    is_good: bool
    meaning: str
    """What it is for, and for a hook what it feeds."""
    mode: str = ""
    advice: str = ""
    """What to do, if it is not good."""


def examine(config: Config) -> Finding:
    """Load and attach everything as configured, let go again, and tell."""
    finding: Finding = json.loads(probe(engine_options(config)))
    return finding


def is_able(finding: Finding) -> bool:
    """Whether capture can start at all."""
    return not finding.get("error")


def remarks(finding: Finding) -> Iterator[Remark]:
    """Everything that was looked at, in the order in which to read it."""
    kernel = finding["kernel"]
    yield Remark(
        "kernel",
        "BTF",
        bool(kernel["btf"]),
        "the kernel's own types, without which no program fits it",
        advice="use a kernel built with CONFIG_DEBUG_INFO_BTF, as all major distributions have since 2021",
    )
    lockdown = kernel["lockdown"]
    yield Remark(
        "kernel",
        "lockdown",
        lockdown != "confidentiality",
        f"mode {lockdown}" if lockdown else "this kernel does not tell",
        advice="boot with lockdown=integrity: confidentiality forbids reading kernel memory",
    )
    for privilege in finding["privileges"]:
        yield Remark(
            "privileges",
            privilege["name"],
            privilege["held"],
            privilege["needed_for"],
            advice=f"run as root, or in the service file: AmbientCapabilities={privilege['name']}",
        )
    for hook in finding["hooks"]:
        yield Remark(
            "hooks", hook["hook"], hook["attached"], hook["feeds"], mode=hook["mode"] or "", advice=_hook_advice(hook)
        )


def _hook_advice(hook: dict[str, Any]) -> str:
    reason = hook.get("reason") or "not told why"
    return f"{reason}; without it what it feeds is unknown in records, nothing else"
