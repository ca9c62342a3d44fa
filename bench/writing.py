"""Records over the wire at a rate, as a daemon sends them: what goes on while `bench.queries` asks."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator

import grpc

from bench.filling import rows
from tests.wire.messages import PACKAGE

STREAM_S = 2.0
"""A stream is answered, and the next begun, so often."""
TICK_S = 0.05
WHOLE_RECORD = b"\xc2\x3e"
"""Field 1000 of a message, a text: a record in rover's own form."""


def main(address: str, rate: int) -> None:
    """Send until standard input ends; prints how many were acknowledged a second."""
    # Others may write beside this one.
    run, sent, began = int(time.time()) * 65_536 + os.getpid() & 0xFFFFFFFF, 0, time.monotonic()

    def stream() -> Iterator[bytes]:
        nonlocal sent
        until = time.monotonic() + STREAM_S
        while (now := time.monotonic()) < until:
            due = int((now - began) * rate) - sent
            for row in rows(due, time.time_ns() - int(TICK_S * 10**9), 1_000, sent, run):
                text = row[17].encode()
                yield WHOLE_RECORD + _varint(len(text)) + text
            sent += due
            time.sleep(TICK_S)

    with grpc.insecure_channel(address) as channel:
        collect = channel.stream_unary(f"/{PACKAGE}.EBPFAccessLogService/collect")
        while not _has_ended():
            collect(stream(), timeout=60)
    print(f"{sent / (time.monotonic() - began):.0f}")


def _has_ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low]) if not rest else bytes([low | 128]) + _varint(rest)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
