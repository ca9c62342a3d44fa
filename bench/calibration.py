"""What the kernel's own statistics add to the time of each run of a BPF program."""

import ctypes
import os
import struct
from pathlib import Path

from tests.stage.bpf import statistics

CALLS = 50_000
SYSCALL = {"x86_64": 321, "aarch64": 280}
"""Number of bpf(2)."""
PROG_LOAD, RAW_TRACEPOINT_OPEN = 5, 17
RAW_TRACEPOINT = 17
"""BPF_PROG_TYPE_RAW_TRACEPOINT."""
EMPTY = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
"""r0 = 0; exit."""


def run_overhead_ns() -> float:
    """Nanoseconds that a program which does nothing is charged for a run: half of each reading of the clock."""
    instructions, license_name = ctypes.create_string_buffer(EMPTY), ctypes.create_string_buffer(b"GPL")
    load = struct.pack("<IIQQ", RAW_TRACEPOINT, 2, ctypes.addressof(instructions), ctypes.addressof(license_name))
    program = _bpf(PROG_LOAD, load)
    name = ctypes.create_string_buffer(b"sys_enter")
    link = _bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QII", ctypes.addressof(name), program, 0))
    try:
        with statistics():
            for _ in range(CALLS):
                os.getppid()
        about = Path(f"/proc/self/fdinfo/{program}").read_text().splitlines()
    finally:
        os.close(link)
        os.close(program)
    told = {key: int(value, 0) for key, _, value in (line.partition(":\t") for line in about) if key.startswith("run_")}
    return told["run_time_ns"] / told["run_cnt"]


def _bpf(command: int, attributes: bytes) -> int:
    """A call of bpf(2): a descriptor. OSError if the kernel refuses."""
    room = ctypes.create_string_buffer(attributes, 128)
    number = SYSCALL[os.uname().machine]
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(number, command, room, len(room))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(descriptor)
