"""A copy of rover whose kernel programs have been tampered with: a hook that this kernel does not know, a program that
its verifier must refuse.

The programs are ELF files within the native module; the copy differs from the real one in a few bytes of them. This
way it is the kernel that says no, and nothing in rover is made for the test.
"""

import contextlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rover import _engine
from tests.stage.rover import ROOT

FILE_HEAD = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION_HEAD = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
BPF_MACHINE = 247
SYMBOL_TABLE = 2
FUNCTION = 2

LONG_INSTRUCTION = 0x18
"""Of 16 bytes; all others have 8."""

READ_OF_AN_UNSET_REGISTER = bytes([0x79, 0x90, 0, 0, 0, 0, 0, 0])
"""r0 = *(u64 *)(r9 + 0): at the begin of a program nothing is in r9, and no verifier lets that pass."""


def rename_hook(*names: str) -> Callable[[bytearray], None]:
    """Ask for functions or tracepoints that no kernel has, of names as long as the real ones."""

    def rename(module: bytearray) -> None:
        for name in names:
            _replace(module, b"/%s\0" % name.encode(), b"/%s\0" % ("gone_" * 9)[: len(name)].encode())

    return rename


def spoil_program(*names: str) -> Callable[[bytearray], None]:
    """Let these programs begin with what the verifier refuses."""

    def spoil(module: bytearray) -> None:
        wanted = set(names)
        for start in _objects(module):
            for name, place in _functions(module, start):
                if name in names:
                    assert module[place] != LONG_INSTRUCTION, f"half of the first instruction of {name} would be left"
                    module[place : place + len(READ_OF_AN_UNSET_REGISTER)] = READ_OF_AN_UNSET_REGISTER
                    wanted.discard(name)
        assert not wanted, f"no programs {wanted} in the module"

    return spoil


@contextlib.contextmanager
def copy(damage: Callable[[bytearray], None]) -> Iterator[dict[str, str]]:
    """A copy of rover with damaged kernel programs; the environment in which the command `rover` runs it."""
    module = bytearray(Path(_engine.__file__).read_bytes())
    damage(module)
    # Not pytest's folder, which is kept: the module is large.
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "rover"
        package.mkdir()
        for path in (ROOT / "rover").iterdir():
            if path.name not in (Path(_engine.__file__).name, "__pycache__"):
                (package / path.name).symlink_to(path)
        (package / Path(_engine.__file__).name).write_bytes(module)
        yield {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}


def _replace(module: bytearray, old: bytes, new: bytes) -> None:
    """In the BPF objects alone; the engine's own table goes on asking for what it asks for."""
    assert len(old) == len(new)
    count = 0
    for start in _objects(module):
        end = start + _length(module, start)
        while (place := module.find(old, start, end)) >= 0:
            module[place : place + len(new)] = new
            count += 1
    assert count, f"no {old!r} in the module"


def _objects(module: bytearray) -> Iterator[int]:
    """Where the BPF objects begin."""
    start = 0
    while (start := module.find(b"\x7fELF\x02\x01\x01", start + 1)) >= 0:
        if FILE_HEAD.unpack_from(module, start)[2] == BPF_MACHINE:
            yield start


def _sections(module: bytearray, start: int) -> list[tuple[int, ...]]:
    head = FILE_HEAD.unpack_from(module, start)
    first, size, count = head[6], head[11], head[12]
    return [SECTION_HEAD.unpack_from(module, start + first + size * index) for index in range(count)]


def _length(module: bytearray, start: int) -> int:
    """Of an object: its section heads come last."""
    head = FILE_HEAD.unpack_from(module, start)
    return head[6] + head[11] * head[12]


def _functions(module: bytearray, start: int) -> Iterator[tuple[str, int]]:
    """Names of an object's functions and where their instructions begin in the module."""
    sections = _sections(module, start)
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != SYMBOL_TABLE:
            continue
        names = start + sections[link][4]
        for place in range(start + offset, start + offset + size, SYMBOL.size):
            name, info, _, section, value, _ = SYMBOL.unpack_from(module, place)
            if info & 0xF == FUNCTION:
                end = module.index(0, names + name)
                yield module[names + name : end].decode(), start + sections[section][4] + value
