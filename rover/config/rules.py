"""A rule about processes as the configuration states it. What it matches is decided in `rover.processes`."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Rule:
    """Names processes: one matches when everything that the rule states holds for it."""

    exe: str | None = None
    """Glob of the executable: with a slash of the whole path (`/usr/sbin/nginx`), without of the name (`python3*`)."""
    cmdline: str | None = None
    """Glob of the whole command line, arguments joined by single spaces."""
    pid: int | None = None
    """Process id."""
    port: int | None = None
    """A TCP port that the process listens on."""
    user: str | None = None
    """Name or number of the user that the process runs as."""

    def __str__(self) -> str:
        stated = ((field.name, getattr(self, field.name)) for field in fields(self))
        return "{" + ", ".join(f"{name}: {value}" for name, value in stated if value is not None) + "}"


RULE_FIELDS = tuple(field.name for field in fields(Rule))
"""What a rule can state."""
