"""Programs of probes in user space run on the stack of their thread. Since Linux 6.13 a program may get a stack of the
CPU instead, which two threads share that take turns on it amid the program: Linux 7.2 crashed."""

import ctypes
import os
import platform
import struct
from pathlib import Path

import pytest

from tests.stage.ports import free_port
from tests.stage.rover import Rover

pytestmark = [pytest.mark.root]

SYSCALL, GET_PROGRAM, GET_FACTS = 321, 13, 15
"""bpf(2) on x86-64 and two of its commands."""

FACTS_BYTES = 256
CODE_BYTES_AT, CODE_AT, NAME_AT = 16, 24, 64
"""In struct bpf_prog_info."""

ADD_CPU = bytes.fromhex("654c030c25")
"""`add %gs:…, %r9`: the address of a stack of the CPU, once in each function that has one."""


def ask(command: int, first: int, *words: bytes) -> int:
    """One call of bpf(2) whose attributes begin with a number of 32 bits."""
    attributes = ctypes.create_string_buffer(b"".join([struct.pack("I", first), *words]).ljust(16, b"\0"), 16)
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.syscall(SYSCALL, command, attributes, len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def machine_code(program: int) -> tuple[str, bytes]:
    """Name of a loaded program and what the kernel's compiler made of it."""
    descriptor = ask(GET_PROGRAM, program)
    try:
        facts = ctypes.create_string_buffer(FACTS_BYTES)
        ask(GET_FACTS, descriptor, struct.pack("=IQ", FACTS_BYTES, ctypes.addressof(facts)))
        (size,) = struct.unpack_from("I", facts, CODE_BYTES_AT)
        name = facts.raw[NAME_AT : NAME_AT + 16].split(b"\0")[0].decode()
        code = ctypes.create_string_buffer(max(size, 1))
        facts = ctypes.create_string_buffer(FACTS_BYTES)
        struct.pack_into("I", facts, CODE_BYTES_AT, size)
        struct.pack_into("Q", facts, CODE_AT, ctypes.addressof(code))
        ask(GET_FACTS, descriptor, struct.pack("=IQ", FACTS_BYTES, ctypes.addressof(facts)))
    finally:
        os.close(descriptor)
    return name, code.raw[:size]


def programs_of(pid: int) -> set[int]:
    """Programs that the process holds open."""
    lines = [line for about in Path(f"/proc/{pid}/fdinfo").iterdir() for line in about.read_text().splitlines()]
    return {int(line.partition(":")[2]) for line in lines if line.startswith("prog_id:")}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machine code")
def test_probes_of_libraries_have_no_stack_of_the_cpu() -> None:
    """Others here may have one, by which the test knows that it would find it."""
    with Rover("--port", str(free_port())) as rover:
        codes = dict(machine_code(program) for program in programs_of(rover.process.pid))
    stacks = {name: code.count(ADD_CPU) for name, code in codes.items()}
    probes = {name: count for name, count in stacks.items() if name.startswith("rv_u_")}
    assert set(probes) == {"rv_u_enter", "rv_u_leave", "rv_u_free", "rv_u_cipher", "rv_u_table"}
    assert all(codes[name] for name in probes)
    assert set(probes.values()) == {0}, probes
    if sum(stacks.values()) == 0:
        pytest.skip("this kernel gives no program a stack of its own")
