"""The environment of the program. No other module reads it, so that it is known what a variable can change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """What variables say beside the configuration."""

    variables: Mapping[str, str]
    notify_socket: str | None
    """Where systemd wants to hear that the program is ready: sd_notify(3)."""
    watchdog_s: float | None
    """How long systemd waits for a sign of life before it ends the program: WATCHDOG_USEC, if meant for us."""
    is_plain: bool
    """Whether a terminal is to get no colour: NO_COLOR is set, or the terminal is a dumb one."""


def read_environment() -> Environment:
    """The environment as it is now."""
    variables = dict(os.environ)
    return Environment(
        variables=variables,
        notify_socket=variables.get("NOTIFY_SOCKET") or None,
        watchdog_s=_maybe_watchdog_s(variables),
        is_plain=bool(variables.get("NO_COLOR")) or variables.get("TERM", "") in ("", "dumb"),
    )


def _maybe_watchdog_s(variables: Mapping[str, str]) -> float | None:
    usec = variables.get("WATCHDOG_USEC", "")
    is_other = variables.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid())
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) > 0 and not is_other else None
