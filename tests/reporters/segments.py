"""Reads the files of a spool without any of rover's code: the heads as `reporters/src/spool/frame.rs` documents them,
CRC-32 by zlib, LZ4 blocks as the format's own document describes them."""

import json
import re
import struct
import zlib
from pathlib import Path

HEAD = struct.Struct("<4sIIIQQII")
TABLE = struct.Struct("<QI")

RECORD = re.compile(rb'\{"id":"([0-9a-f]{32})"')


def contents(folder: Path) -> list[bytes]:
    """The content of each whole frame, in the order of the files; what a crash cut off at the end is left out."""
    found = []
    for path in sorted(folder.glob("*.spool")):
        try:
            data, offset = path.read_bytes(), 0
        except FileNotFoundError:  # delivered meanwhile
            continue
        while len(data) - offset >= HEAD.size:
            magic, stored, length, _, _, _, content_crc, head_crc = HEAD.unpack_from(data, offset)
            assert magic == b"RVF1"
            assert zlib.crc32(data[offset : offset + HEAD.size - 4]) == head_crc
            block = data[offset + HEAD.size : offset + HEAD.size + stored]
            if len(block) < stored:
                break
            assert zlib.crc32(block) == content_crc
            content = unpack(block)
            assert len(content) == length
            found.append(content)
            offset += HEAD.size + stored
    return found


def ids(folder: Path) -> set[str]:
    """Ids of the records that are spooled in the form for rover's backend."""
    return {match.decode() for content in contents(folder) for match in RECORD.findall(content)}


def unpack(block: bytes) -> bytes:
    """An LZ4 block: sequences of literals and a copy of what came before; the last one has no copy."""
    out, position = bytearray(), 0

    def length(nibble: int) -> int:
        nonlocal position
        total = nibble
        while nibble == 15:
            byte = block[position]
            position, total = position + 1, total + byte
            if byte != 255:
                break
        return total

    while position < len(block):
        token = block[position]
        position += 1
        literals = length(token >> 4)
        out += block[position : position + literals]
        position += literals
        if position == len(block):
            break
        distance = int.from_bytes(block[position : position + 2], "little")
        position += 2
        copy, start = length(token & 15) + 4, len(out) - distance
        while copy > 0:
            part = out[start : start + min(copy, distance)]
            out += part
            start, copy = start + len(part), copy - len(part)
    return bytes(out)


def lines(path: Path) -> list[dict]:
    """The JSON lines of a file; each has to be whole."""
    text = path.read_text()
    assert not text or text.endswith("\n"), path
    return [json.loads(line) for line in text.splitlines()]
