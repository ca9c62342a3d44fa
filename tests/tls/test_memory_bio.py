"""Sessions without a socket (Python's asyncio): their ciphertext is told, so that it can be found on some socket."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage.ports import free_port
from tests.stage.recording import RX, TX, Ciphertext, TlsCall
from tests.tls.conftest import Certificate
from tests.tls.watching import count_of, watching

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAM = """\
import asyncio, ssl, sys
port, key, certificate = int(sys.argv[1]), sys.argv[2], sys.argv[3]

async def serve(reader, writer):
    while await reader.read(4096):
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        await writer.drain()
    writer.close()

async def main():
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate, key)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=theirs)
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ours)
        for number in range(20):
            writer.write(b"GET /%02d HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n" % number)
            await writer.drain()
            assert (await reader.read(100)).endswith(b"ok")
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
    server.close()

asyncio.run(main())
"""


def test_what_sessions_write_to_memory_is_told_from_their_first_byte(tmp_path: Path, certificate: Certificate) -> None:
    """Of the library that was seen before, in a process that was not."""
    with watching(tmp_path) as watch:
        words = [str(free_port()), str(certificate.key), str(certificate.certificate)]
        with subprocess.Popen([sys.executable, "-c", PROGRAM, *words]) as process:
            assert process.wait(30) == 0
    calls = watch.calls_of(process.pid)
    assert {call.cookie for call in calls} == {0}
    exchange = len(b"GET /00 HTTP/1.1\r\nHost: here\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert count_of(calls, TX) == count_of(calls, RX) == 3 * 20 * exchange
    ciphertext = [e for e in watch.events if isinstance(e, Ciphertext) and e.tgid == process.pid]
    assert {each.direction for each in ciphertext} == {TX}
    ends: dict[tuple[int, int], int] = {}
    for each in ciphertext:
        key = (each.session, each.opened_ns)
        assert each.offset == ends.get(key, 0)
        assert len(each.payload) == min(each.length, 64)
        ends[key] = each.offset + each.length
    # Both ends of three connections, from the first byte on, until the engine has found the socket.
    begins = {(each.session, each.opened_ns): each for each in reversed(ciphertext) if each.offset == 0}
    assert len(begins) == 6
    assert all(each.payload[:2] == b"\x16\x03" for each in begins.values())


def test_sessions_with_a_socket_tell_no_ciphertext(tmp_path: Path, certificate: Certificate) -> None:
    """Their connection is known, and a probe in every read and write of a BIO costs time."""
    program = (
        "import socket, ssl, sys, threading\n"
        "theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); theirs.load_cert_chain(sys.argv[2], sys.argv[1])\n"
        "ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); ours.check_hostname = False\n"
        "ours.verify_mode = ssl.CERT_NONE\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "def serve():\n"
        "    with theirs.wrap_socket(listener.accept()[0], server_side=True) as end:\n"
        "        while end.recv(100): end.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')\n"
        "thread = threading.Thread(target=serve); thread.start()\n"
        "with ours.wrap_socket(socket.create_connection(listener.getsockname())) as end:\n"
        "    for n in range(50): end.sendall(b'GET / HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n'); assert end.recv(100)\n"
        "thread.join()\n"
    )
    with watching(tmp_path) as watch:
        words = [str(certificate.key), str(certificate.certificate)]
        with subprocess.Popen([sys.executable, "-c", program, *words]) as process:
            assert process.wait(30) == 0
    calls = watch.calls_of(process.pid)
    exchange = len(b"GET / HTTP/1.1\r\nHost: here\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert count_of(calls, TX) == count_of(calls, RX) == 50 * exchange
    assert all(call.cookie for call in calls)
    assert not [e for e in watch.events if isinstance(e, Ciphertext) and e.tgid == process.pid]
    both = {(call.session, call.cookie) for call in calls if isinstance(call, TlsCall)}
    assert len(both) == 2, "two threads, two sessions, never mixed"
