"""Reads and writes the few protobuf fields that runtimes are asked for.

Source: the encoding guide of protobuf."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def text_field(number: int, text: str | bytes) -> bytes:
    """One field of text or of a message, encoded."""
    raw = text.encode() if isinstance(text, str) else text
    return _varint(number << 3 | _BYTES) + _varint(len(raw)) + raw


def fields_of(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of text or of a message; other kinds are passed over. Raises ValueError."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _read_varint(message, at)
            continue
        if kind == _BYTES:
            length, at = _read_varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + length > len(message):
            raise ValueError("a field beyond the end of its message")
        if kind == _BYTES:
            yield key >> 3, message[at : at + length]
        at += length


def map_of(fields: list[tuple[int, bytes]], number: int) -> dict[str, str]:
    """A map of text to text: a repeated message of key and value."""
    found = {}
    for known, raw in fields:
        if known == number:
            entry = dict(fields_of(raw))
            found[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    return found


def _varint(value: int) -> bytes:
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    raw.append(value)
    return bytes(raw)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number beyond the end of its message")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number longer than ten bytes")
