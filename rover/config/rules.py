"""A rule about processes as the configuration states it. What it matches is decided in `rover.processes`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

Labels = tuple[tuple[str, str], ...]
"""Keys, each with the glob that its value must match."""


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
    unit: str | None = None
    """Glob of the systemd service (`nginx.service`)."""
    container: str | None = None
    """Glob of the container's name; `*` is any container."""
    image: str | None = None
    """Glob of the container's image, as the runtime names it."""
    container_label: Labels | None = None
    """Labels of the container, all of them."""
    namespace: str | None = None
    """Glob of the Kubernetes namespace."""
    workload: str | None = None
    """Glob of the Deployment, StatefulSet, DaemonSet, CronJob or Job of the pod; `KIND/NAME` states the kind too."""
    pod: str | None = None
    """Glob of the pod's name."""
    pod_label: Labels | None = None
    """Labels of the pod, all of them."""
    pod_annotation: Labels | None = None
    """Annotations of the pod, all of them."""

    def __str__(self) -> str:
        stated = ((each.name, getattr(self, each.name)) for each in fields(self))
        return "{" + ", ".join(f"{name}: {_shown(value)}" for name, value in stated if value is not None) + "}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{key}: {glob}" for key, glob in value) + "}"
    return str(value)


RULE_FIELDS = tuple(each.name for each in fields(Rule))
"""What a rule can state."""


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One entry of a rules file."""

    action: str
    """`include`, `exclude` or `name`."""
    rule: Rule
    service: str | None = None
    """Template of the service's name."""
    origin: str = field(default="", compare=False)
    """`FILE:LINE`."""


@dataclass(frozen=True, slots=True)
class RulesFile:
    """A rules file that has been read. Of its lines the first that matches decides."""

    lines: tuple[RuleLine, ...] = ()
    is_watched_else: bool = True
    """The verdict on a process that no rule matches."""
