"""Reads what /proc says about a process. A process that is gone is a normal answer, never an error.

Written for a thousand new processes a second: one file or link per fact, read only when something asks for it, with
bare descriptors (a buffered text file costs three times as much)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from rover.identity import Place, place_of

_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_KERNEL_THREAD = 0x0020_0000  # PF_KTHREAD in include/linux/sched.h
_MOST_BYTES = 64 * 1024  # of one file; a longer command line is cut
_OWN_NAMESPACE = "pid:[4026531836]"
"""The kernel's own namespace of process ids: PROC_PID_INIT_INO in include/linux/proc_ns.h."""


@dataclass(slots=True)
class Process:
    """One process as it was when it was looked at. Facts read later may be missing: the process may have gone since."""

    pid: int
    parent: int
    comm: str
    start_ns: int
    """Start of the process, nanoseconds since boot, rounded down to the clock tick."""
    is_kernel_thread: bool
    executable: str | None
    """Path of the executable; None for a kernel thread, and if it cannot be read."""
    source: ProcFs | None = field(default=None, repr=False)
    """Where more can be read; None once the process is known to be gone."""
    told_cmdline: str | None = None
    """What the kernel said of the command line at the start, for a process that is gone."""
    told_user_id: int | None = None
    """The same of the user."""
    told_place: Place | None = None
    """What its cgroup said when it was read, or that of its parent."""
    is_from_runtime: bool = False
    """Whether a container runtime started it and it was gone before its cgroup was read."""

    def maybe_cmdline(self) -> str | None:
        """The command line, arguments joined by single spaces."""
        found = self.source.maybe_cmdline(self.pid) if self.source else None
        return found or self.told_cmdline  # empty for a process that has ended and not been waited for

    def maybe_user_id(self) -> int | None:
        """The user that the process runs as."""
        found = self.source.maybe_user_id(self.pid) if self.source else None
        return self.told_user_id if found is None else found

    def maybe_place(self) -> Place | None:
        """Its container and unit, as its cgroup tells; None if it went before that was read."""
        if self.told_place is None and self.source is not None:
            cgroup = self.source.maybe_text(self.pid, "cgroup")
            self.told_place = None if cgroup is None else place_of(cgroup)
        return self.told_place


class ProcFs:
    """The /proc file system, or a folder that looks like it."""

    def __init__(self, root: str = "/proc") -> None:
        self.root = root

    def maybe_process(self, pid: int) -> Process | None:
        """The process with this id; None if there is none, or it has ended and only waits to be waited for."""
        stat = self._maybe_bytes(pid, "stat")
        if stat is None:
            return None
        # The name stands in brackets and may itself hold brackets and spaces; fields after it are numbers (proc(5)).
        opening, closing = stat.find(b"("), stat.rfind(b")")
        numbers = stat[closing + 2 :].split()
        if opening < 0 or len(numbers) < 20 or numbers[0] == b"Z":
            return None
        is_kernel_thread = bool(int(numbers[6]) & _KERNEL_THREAD)
        return Process(
            pid=pid,
            parent=int(numbers[1]),
            comm=stat[opening + 1 : closing].decode(errors="replace"),
            start_ns=int(numbers[19]) * _NS_PER_TICK,
            is_kernel_thread=is_kernel_thread,
            executable=None if is_kernel_thread else self._maybe_executable(pid),
            source=self,
        )

    def pids(self) -> list[int]:
        """Every process that there is now."""
        return [int(name) for name in os.listdir(self.root) if name.isdecimal()]

    def gone(self, pids: Iterable[int]) -> list[int]:
        """Those that run no more, for certain: one may only be hidden (hidepid), and in another namespace than the
        kernel's own the ids that it tells are not those that are seen here."""
        if self.maybe_link(os.getpid(), "ns/pid") != _OWN_NAMESPACE:
            return []
        return [pid for pid in pids if _is_gone(pid)]

    def maybe_cmdline(self, pid: int) -> str | None:
        """Command line with single spaces between arguments; None if the process is gone."""
        raw = self._maybe_bytes(pid, "cmdline")
        return None if raw is None else raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")

    def maybe_user_id(self, pid: int) -> int | None:
        """Effective user id, which owns the process's folder; None if the process is gone."""
        try:
            return os.stat(f"{self.root}/{pid}").st_uid
        except OSError:
            return None

    def maybe_text(self, pid: int, name: str) -> str | None:
        """A small file of the process as text; None if the process is gone."""
        raw = self._maybe_bytes(pid, name)
        return None if raw is None else raw.decode(errors="replace")

    def maybe_link(self, pid: int, name: str) -> str | None:
        """What a link of the process points to; None if it cannot be read."""
        try:
            return os.readlink(f"{self.root}/{pid}/{name}")
        except OSError:
            return None

    def _maybe_executable(self, pid: int) -> str | None:
        target = self.maybe_link(pid, "exe")
        # Replaced on disk while it runs, as every package upgrade does: still the same program to a person.
        return target.removesuffix(" (deleted)") if target else None

    def _maybe_bytes(self, pid: int, name: str) -> bytes | None:
        try:
            descriptor = os.open(f"{self.root}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return os.read(descriptor, _MOST_BYTES)
        except OSError:  # ESRCH: gone between open and read
            return None
        finally:
            os.close(descriptor)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's
    return False
