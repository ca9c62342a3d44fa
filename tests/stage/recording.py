"""Raw events of a recording, as far as tests look at them without the engine."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"ROVEREC1"
EVENT_FRAME = 1

DATA, TLS, CIPHER, TLS_STATE = 1, 10, 11, 12
SENT, RECEIVED = 5, 6
BEFORE = {SENT: 8 + 160, RECEIVED: 8 + 120}
"""Bytes of the layers before a data event (bpf/events.h)."""

NESTED, INSIDE, UNREADABLE = 1, 2, 4
RX, TX = 0, 1
HANDSHAKE, FREED = 1, 2


@dataclass(frozen=True)
class TlsCall:
    """`struct rv_tls_event`."""

    tgid: int
    session: int
    opened_ns: int
    cookie: int
    start_ns: int
    end_ns: int
    offset: int
    cipher_offset: int
    tid: int
    length: int
    captured: int
    skipped: int
    tail: int
    direction: int
    library: int
    flags: int
    payload: bytes


@dataclass(frozen=True)
class Ciphertext:
    """`struct rv_cipher_event`."""

    tgid: int
    session: int
    opened_ns: int
    time_ns: int
    offset: int
    tid: int
    length: int
    captured: int
    direction: int
    payload: bytes


@dataclass(frozen=True)
class TlsState:
    """`struct rv_tls_state_event`."""

    tgid: int
    session: int
    opened_ns: int
    cookie: int
    start_ns: int
    time_ns: int
    tid: int
    change: int
    library: int
    flags: int


@dataclass(frozen=True)
class SocketOperation:
    """What tests need of `struct rv_data_event`."""

    tgid: int
    cookie: int
    offset: int
    length: int
    direction: int
    local_port: int
    remote_port: int
    payload: bytes


RawEvent = TlsCall | Ciphertext | TlsState | SocketOperation


def events_of(path: Path) -> list[RawEvent]:
    """The events of these kinds, in the order of the ring buffer."""
    return [event for raw in _frames(path.read_bytes()) if (event := _maybe_event(raw)) is not None]


def _frames(content: bytes) -> Iterator[bytes]:
    assert content.startswith(MAGIC)
    at = len(MAGIC)
    while at + 5 <= len(content):
        length, kind = struct.unpack_from("<IB", content, at)
        if kind == EVENT_FRAME:
            yield content[at + 5 : at + 4 + length]
        at += 4 + length


def _maybe_event(raw: bytes) -> RawEvent | None:
    kind = struct.unpack_from("<I", raw)[0]
    if kind in BEFORE:
        raw = raw[BEFORE[kind] :]
        kind = struct.unpack_from("<I", raw)[0]
    if kind == DATA:
        tgid, cookie, _start, _end, offset, _opened, length, captured = struct.unpack_from("<4xIQQQQQII", raw)
        direction, local_port, remote_port = struct.unpack_from("<80xB3xHH", raw)
        return SocketOperation(
            tgid, cookie, offset, length, direction, local_port, remote_port, raw[120 : 120 + captured]
        )
    if kind == TLS:
        return TlsCall(*struct.unpack_from("<4xIQQQQQQQIIIIIBBBx", raw), raw[88:])
    if kind == CIPHER:
        return Ciphertext(*struct.unpack_from("<4xIQQQQIIIB", raw), raw[56:])
    if kind == TLS_STATE:
        return TlsState(*struct.unpack_from("<4xIQQQQQIBBBx", raw))
    return None
