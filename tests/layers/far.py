"""A connection between two hosts of which the test says every byte: what each layer must tell of it is known."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.stage.dialogue import Dialogue
from tests.stage.namespaces import IPV4, IPV6, Hosts

SERVER, CLIENT = 0, 1
"""Which host is which."""

ADDRESSES = {"IPv4": (socket.AF_INET, IPV4[SERVER]), "IPv6": (socket.AF_INET6, IPV6[SERVER])}

ETHERNET_BYTES = 14
HEAD_BYTES = {"IPv4": ETHERNET_BYTES + 20 + 32, "IPv6": ETHERNET_BYTES + 40 + 32}
"""Heads of a packet with payload: Ethernet, IP, TCP with time stamps."""


@dataclass
class Stopwatch:
    """What a block took by CLOCK_MONOTONIC."""

    ns: int = 0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Times a block; the figure is there after it."""
    watch = Stopwatch()
    start = time.monotonic_ns()
    yield watch
    watch.ns = time.monotonic_ns() - start


def request(size: int) -> bytes:
    """A GET of exactly `size` bytes, at least 40; short enough for a head, or a POST with a body."""
    if size <= 2000:
        frame = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        return frame.replace(b"/ ", b"/" + b"q" * (size - len(frame)) + b" ", 1)
    return _with_body(b"POST / HTTP/1.1\r\nHost: h\r\n", size)


def response(size: int) -> bytes:
    """A response of exactly `size` bytes, at least 50."""
    return _with_body(b"HTTP/1.1 200 OK\r\n", size)


def _with_body(head: bytes, size: int) -> bytes:
    # The number of digits depends on the length of the rest, and the other way round: leading zeros settle it.
    head += b"Content-Length: %07d\r\n\r\n"
    body = size - len(head % 0)
    assert body >= 0, f"{size} bytes are too few"
    return head % body + b"x" * body


class Far(Dialogue):
    """A connection from the client's host to the server's, used with `with`."""

    def __init__(
        self, hosts: Hosts, port: int, family: str = "IPv4", address: str | None = None, receive_buffer: int = 0
    ) -> None:
        self.hosts, self.port, self.family = hosts, port, family
        kind, usual = ADDRESSES[family]
        with hosts.entered(SERVER), socket.socket(kind, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            listener.bind((address or usual, port))
            listener.listen()
            with hosts.entered(CLIENT):
                self.client = socket.socket(kind, socket.SOCK_STREAM)
            self.client.settimeout(20)
            with stopwatch() as self.connecting:
                self.client.connect((address or usual, port))
            with stopwatch() as self.accepting:
                self.server, _ = listener.accept()
            self.server.settimeout(20)
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection: int = self.client.getsockname()[1]

    def exchange(self, request_bytes: int = 100, response_bytes: int = 100) -> None:
        """One exchange of these sizes."""
        self.ask(request(request_bytes))
        self.answer(response(response_bytes))


def wait_readable(end: socket.socket, seconds: float = 20.0) -> None:
    """Return once the end has something to read."""
    assert select.select([end], [], [], seconds)[0], f"nothing to read within {seconds:g} s"


def send_all_that_fits(end: socket.socket, data: memoryview) -> int:
    """Send until the socket says EAGAIN; how many bytes it has taken."""
    timeout = end.gettimeout()
    end.setblocking(False)
    sent = 0
    try:
        while sent < len(data):
            sent += end.send(data[sent:])
        # The last byte is taken: a call that sends nothing all the same.
        end.send(b"")
    except BlockingIOError:
        pass
    end.settimeout(timeout)
    return sent
