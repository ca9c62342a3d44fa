"""What the engine found when it tried every hook, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover._engine import probe
from rover.config import Config
from rover.daemon.options import engine_options

Finding = dict[str, Any]
"""`{"kernel", "privileges", "hooks", "figures", "programs", "tls", "load_ms", "error"}` as `probe` gives it."""


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
    notes: tuple[str, ...] = ()
    """What else is to be said of it."""


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

    yield from _tls_remarks(finding.get("tls") or {})


def _tls_remarks(tls: dict[str, Any]) -> Iterator[Remark]:
    """One for each library that was found, or one that says why none is looked for; none where nothing was tried."""
    if not tls:
        return
    if not tls["enabled"] and tls["reason"] is not None:
        is_wanted = tls["reason"] != "tls.enabled is false"
        yield Remark(
            "TLS",
            "probes",
            not is_wanted,
            "exchanges inside TLS" if is_wanted else "switched off by tls.enabled",
            advice=f"{tls['reason']}; without them what is encrypted is counted as not_http",
        )
    yield from _blind_remark(tls)
    for library in tls["libraries"]:
        known = [library["kind"], library["version"] or "of unknown version"]
        if library["linkage"] == "static":
            known.append("inside")
        yield Remark(
            "TLS",
            library["path"],
            library["attached"],
            f"{' '.join(known)}: {', '.join(library['functions']) or 'nothing probed'}",
            mode=library["cost"],
            advice=_library_advice(library),
            notes=(*library["notes"], *_users_of(library)),
        )


def _blind_remark(tls: dict[str, Any]) -> Iterator[Remark]:
    """How long the first process with a library is blind, by what looking at those that are here took."""
    attached = sum(library["attached"] for library in tls["libraries"])
    if not attached or not tls.get("inspected"):
        return
    blind_ms = (tls["inspect_ns"] / tls["inspected"] + tls["attach_ns"] / attached) / 1e6
    yield Remark(
        "TLS",
        "blind window",
        True,
        f"about {blind_ms:.0f} ms of the first process that maps a library not seen before; later ones have none",
    )


def _users_of(library: dict[str, Any]) -> Iterator[str]:
    """Who yields nothing because of it."""
    if library.get("processes"):
        yield f"mapped by {', '.join(f'{_comm_of(pid)} ({pid})' for pid in library['processes'])}"


def _comm_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "a process that has gone"


def _library_advice(library: dict[str, Any]) -> str:
    return f"{library['reason'] or 'not told why'}; its exchanges are counted as not_http"


def _hook_advice(hook: dict[str, Any]) -> str:
    reason = hook.get("reason") or "not told why"
    return f"{reason}; without it what it feeds is unknown in records, nothing else"
