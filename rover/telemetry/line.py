"""A status as one line: for `systemctl status`, and as the head of `rover status`."""

from __future__ import annotations

from rover.ledger import losses
from rover.telemetry.status import Status, backends


def line(status: Status) -> str:
    """State, records, processes, losses, backends."""
    parts = [status["state"]]
    if "stats" in status:
        lost = losses(status["ledger"])
        causes = ", ".join(f"{cause} {count}" for cause, count in lost.items())
        parts += [
            f"{status['stats']['records']} records",
            f"{status['watched_processes']} processes watched",
            f"lost {sum(lost.values())} operations ({causes})" if lost else "nothing lost",
        ]
        parts += [f"backend {where}" if where else f"backend away: {why}" for where, why in backends(status)]
    governor = status.get("governor")
    if governor and governor["level"]:
        parts.append(f"given up: {governor['given_up']}")
    return " · ".join(parts)
