"""The wall clock of a virtual machine, stepped as an administrator does it. That of another machine is left alone."""

import os
import time
from pathlib import Path
from typing import NamedTuple


class Moment(NamedTuple):
    """The same moment on both clocks."""

    wall_ns: int
    boot_ns: int

    @property
    def offset_ns(self) -> int:
        """What the wall clock is ahead of the one since boot."""
        return self.wall_ns - self.boot_ns


def now() -> Moment:
    """This moment."""
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def is_ours() -> bool:
    """Whether this is a guest of tests/vm, as the environment says and its first process, vmrun's own, confirms."""
    if os.environ.get("VM_GUEST") != "/out":
        return False
    assert b"busybox" in Path("/proc/1/cmdline").read_bytes(), "VM_GUEST is set, but this is no guest of vmrun"
    return True


class WallClock:
    """Steps the wall clock and remembers each; used with `with`, at whose end it goes on as if there had been none."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        """Since when since boot, and what the wall clock was ahead from then on."""

    def __enter__(self) -> "WallClock":
        self._first = now()
        self.steps.append((0, self._first.offset_ns))
        return self

    def __exit__(self, *_: object) -> None:
        if is_ours():
            time.clock_settime_ns(time.CLOCK_REALTIME, self._first.offset_ns + now().boot_ns)

    def step(self, seconds: int) -> None:
        """Forward, or back. Where the clock is not ours it stays: a test then shows all but the step."""
        at = now()
        if is_ours():
            time.clock_settime_ns(time.CLOCK_REALTIME, at.wall_ns + seconds * 10**9)
        self.steps.append((at.boot_ns, now().offset_ns))

    def offsets(self, from_ns: int, to_ns: int) -> list[int]:
        """What the wall clock was ahead at any time between these two since boot."""
        ends = [since for since, _ in self.steps[1:]] + [to_ns + 1]
        spans = zip(self.steps, ends, strict=True)
        return [offset for (since, offset), end in spans if since <= to_ns and end > from_ns]
