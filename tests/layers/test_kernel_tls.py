"""Kernel TLS: what applications write and read is seen with its own length and bytes, not with those of the records."""

import os
import socket
import struct

import pytest

from .far import request, response

pytestmark = pytest.mark.root

TCP_ULP = 31
SOL_TLS, TLS_TX, TLS_RX = 282, 1, 2
"""uapi/linux/tcp.h, include/linux/socket.h, uapi/linux/tls.h."""

KEYS = struct.pack("=HH8s16s4s8s", 0x0303, 51, b"iv" * 4, b"key!" * 4, b"salt", bytes(8))
"""struct tls12_crypto_info_aes_gcm_128: TLS 1.2, its initialisation vector, key, salt and first sequence number."""

SIZES = [(100, 100), (300, 40_000), (20_000, 100), (100, 100)]
"""40 000 bytes are three records of TLS."""


def encrypt(connection) -> None:
    """From now on both ends of the connection are the kernel's TLS, with keys that nobody had to agree upon."""
    for end in (connection.client, connection.server):
        try:
            end.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError as error:
            pytest.skip(f"this kernel has no kernel TLS: {error}")
    for end in (connection.client, connection.server):
        for direction in (TLS_TX, TLS_RX):
            end.setsockopt(SOL_TLS, direction, KEYS)


def read_all(end, data: bytes) -> int:
    """Read until all of `data` has come; how many calls that took."""
    got, calls = b"", 0
    while len(got) < len(data):
        got += end.recv(1 << 16)
        calls += 1
    assert got == data
    return calls


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_operations_have_the_length_that_the_application_moved(far, watched, family):
    """Calls and bytes of each exchange, both sides, exact; and HTTP is understood, so the bytes were plaintext. Below
    it lie packets with what TLS adds: at least 29 bytes for each record."""
    connection = far(family)
    encrypt(connection)
    calls = []
    for there, back in SIZES:
        connection.client.sendall(request(there))
        asked = read_all(connection.server, request(there))
        connection.server.sendall(response(back))
        calls.append((asked, read_all(connection.client, response(back))))
    for side, ours, theirs in (("server", 1, 0), ("client", 0, 1)):
        records = watched.records(connection.port, side, len(SIZES))
        for record, sizes, reads in zip(records, SIZES, calls, strict=True):
            write, read = record["kernel"]["write"], record["kernel"]["read"]
            assert (record["status"], record["flags"]) == (200, [])
            assert (record["request"]["bytes"], record["response"]["bytes"]) == sizes
            assert (write["operations"], write["bytes"]) == (1, sizes[ours])
            assert (read["operations"], read["bytes"]) == (reads[theirs], sizes[theirs])
        written = watched.sums(connection.port, side, len(SIZES), "write")
        assert written["packet_bytes"] >= written["bytes"] + 29 * len(SIZES)


def test_a_file_is_seen_with_its_length(far, watched, tmp_path):
    """Sendfile goes by pages; the head before it is a write of its own. What comes then is in its place."""
    file = tmp_path / "file"
    whole = response(30_000)
    head, body = whole[:100], whole[100:]
    file.write_bytes(body)
    connection = far()
    encrypt(connection)
    connection.client.sendall(request(100))
    read_all(connection.server, request(100))
    connection.server.sendall(head)
    with file.open("rb") as source:
        sent = 0
        while sent < len(body):
            sent += os.sendfile(connection.server.fileno(), source.fileno(), sent, len(body) - sent)
    read_all(connection.client, whole)
    connection.client.sendall(request(200))
    read_all(connection.server, request(200))
    connection.server.sendall(response(100))
    read_all(connection.client, response(100))
    for side in ("server", "client"):
        first, second = watched.records(connection.port, side, 2)
        assert (first["status"], first["response"]["bytes"]) == (200, len(whole))
        assert (second["status"], second["request"]["bytes"], second["response"]["bytes"]) == (200, 200, 100)
        assert first["flags"] == second["flags"] == []
    assert watched.sums(connection.port, "server", 2, "write")["bytes"] == len(whole) + 100
