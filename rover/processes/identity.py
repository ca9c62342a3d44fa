"""Who a process is, in the words of a record."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rover.processes.procfs import Process


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a process and, by another pid, of each child that runs the same program."""

    service: str | None
    head: str
    """The JSON object up to the value of its last member, `pid`."""

    def as_json(self, pid: int) -> str:
        """The identity object of a record."""
        return f"{self.head}{pid}}}"


def identify(process: Process, instance: str) -> Identity:
    """Names a process: by its systemd service, else by its executable. Facts that are unknown are left out."""
    unit = process.maybe_unit()
    name = process.executable.rpartition("/")[2] if process.executable else process.comm
    service = unit.removesuffix(".service") if unit else name or None
    stated = {
        "service": service,
        "instance": instance,
        "process": process.comm or None,
        "executable": process.executable,
        "unit": unit,
    }
    known = {key: value for key, value in stated.items() if value is not None}
    return Identity(service, json.dumps(known, ensure_ascii=False)[:-1] + ', "pid": ')
