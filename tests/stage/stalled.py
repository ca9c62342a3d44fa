"""A thread of another process that does not move: traced and stopped, as a debugger does it."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

_libc = ctypes.CDLL(None, use_errno=True)


def thread_named(pid: int, name: str) -> int:
    """Id of the thread of that name."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"{pid} has no thread {name}")


@contextmanager
def stalled(thread: int) -> Iterator[None]:
    """The thread stands still while the block runs. One tracer, one thread: ptrace belongs to who attached."""
    is_still, is_over = threading.Event(), threading.Event()

    def trace() -> None:
        _ptrace(SEIZE, thread)
        _ptrace(INTERRUPT, thread)
        os.waitpid(thread, 0x40000000)  # __WALL
        is_still.set()
        is_over.wait(60)
        _ptrace(DETACH, thread)

    tracer = threading.Thread(target=trace)
    tracer.start()
    try:
        assert is_still.wait(10)
        yield
    finally:
        is_over.set()
        tracer.join()


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
