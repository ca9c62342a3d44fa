"""HTTPS of which OpenSSL leaves the encryption to the kernel: the socket carries plaintext, told once per side."""

import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.stage.comparison import compare
from tests.stage.exchange import Exchange
from tests.stage.rover import Rover

ENABLE_KTLS = 8
"""SSL_OP_ENABLE_KTLS of OpenSSL 3, which Python has no name for."""
SECONDS = 60
COUNT = 10


def in_use() -> int:
    """Connections so far on which the kernel took over to encrypt or decrypt."""
    try:
        lines = Path("/proc/net/tls_stat").read_text().splitlines()
    except FileNotFoundError:
        return 0
    counters = {name: int(value) for name, value in (line.split() for line in lines)}
    return counters["TlsTxSw"] + counters["TlsRxSw"]


def answer(link: ssl.SSLSocket) -> None:
    """Each request gets as many bytes as its path says."""
    with link:
        while request := link.recv(65536):
            size = int(request.split()[1][1:])
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"k" * size)


def talk(port: int, listener: socket.socket, own: ssl.SSLContext, trusting: ssl.SSLContext) -> list[Exchange]:
    """Exchanges over one connection, with bodies of one record and of several; what is true of them."""
    server = threading.Thread(target=lambda: answer(own.wrap_socket(listener.accept()[0], server_side=True)))
    server.start()
    truth = []
    with trusting.wrap_socket(socket.create_connection(("127.0.0.1", port))) as link:
        for number in range(COUNT):
            size = 10 + number * 5000
            link.sendall(f"GET /{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            with_head = size + len(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
            got = 0
            while got < with_head:
                got += len(link.recv(65536))
            truth.append(Exchange("GET", f"/{size}", 200, 0, size, connection=link.getsockname()[1]))
    server.join(SECONDS)
    return truth


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_what_openssl_leaves_to_the_kernel_is_told_once_per_side(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Truth: the script. The plaintext is seen twice, in the library's calls and at the socket."""
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=SECONDS)
    own, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.load_cert_chain(certificate, key)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    for context in (own, trusting):
        context.options |= ENABLE_KTLS
        context.maximum_version = version
    before = in_use()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Rover("--port", str(port)) as rover:
            truth = talk(port, listener, own, trusting)
            sides = ("server", "client")
            rover.wait_for(lambda: all(len(rover.records_of(port, side)) >= COUNT for side in sides), SECONDS)
            rover.stop(SECONDS)
    taken = in_use() - before
    print(f"kernel {os.uname().release}: {taken} directions taken over")
    if not taken:
        pytest.skip("the kernel has no TLS, or OpenSSL did not use it")
    for side in sides:
        differences = compare(rover.records_of(port, side), truth)
        assert not differences, f"{side} side: {differences}"
