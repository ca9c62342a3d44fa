"""TLS inside TLS, and what a callback of the library does besides: no session gets another one's socket."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stage.ports import free_port
from tests.stage.recording import INSIDE, RX, TX, TlsState
from tests.tls.conftest import Certificate, Server, running
from tests.tls.watching import bytes_of, count_of, watching

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROXY = """\
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[2])

def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR) if not isinstance(target, ssl.SSLSocket) else None

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    end, _ = listener.accept()
    with context.wrap_socket(end, server_side=True) as inside:
        request = b""
        while b"\\r\\n\\r\\n" not in request:
            request += inside.recv(4096)
        host, port = request.split()[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as far:
            inside.sendall(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n")
            back = threading.Thread(target=pass_on, args=(far, inside))
            back.start()
            pass_on(inside, far)
            back.join()
"""


def test_a_session_within_a_session_says_so_and_leaves_the_socket_to_the_outer_one(
    tmp_path: Path, certificate: Certificate, s_server: Callable[[], Server]
) -> None:
    """curl through an HTTPS proxy: the request to the server travels in the session with the proxy."""
    (tmp_path / "page").write_text("hello\n")
    port = free_port()
    words = [sys.executable, "-c", PROXY, str(port), str(certificate.key), str(certificate.certificate)]
    with watching(tmp_path) as watch, running(words, port, tmp_path):
        target = s_server().port
        command = ["curl", "-sSk", "--proxy-insecure", "-x", f"https://127.0.0.1:{port}", "-o", "/dev/null"]
        with subprocess.Popen([*command, f"https://127.0.0.1:{target}/page"]) as process:
            assert process.wait(20) == 0
    calls = watch.calls_of(process.pid)
    by_session = {call.session: [each for each in calls if each.session == call.session] for call in calls}
    assert len(by_session) == 2
    outer, inner = by_session.values()
    assert next(call for call in outer if call.direction == TX).payload.startswith(b"CONNECT 127.0.0.1:")
    assert bytes_of(inner, TX).startswith(b"GET /page HTTP/1.1\r\n")
    assert bytes_of(inner, RX).endswith(b"hello\n")
    assert not any(call.flags & INSIDE for call in outer)
    assert all(call.flags & INSIDE for call in inner)
    assert {call.cookie for call in calls} == {outer[0].cookie}
    assert count_of(outer, TX) > count_of(inner, TX), "the outer one carries the inner one's ciphertext"
    states = [event for event in watch.events if isinstance(event, TlsState) and event.tgid == process.pid]
    assert {(each.session, bool(each.flags & INSIDE)) for each in states if each.change == 1} == {
        (outer[0].session, False),
        (inner[0].session, True),
    }
