"""One TCP connection of which the test says every byte, on both ends.

Both sockets belong to the calling process and one end speaks at a time, so what happened, and in which order, is
certain: the script itself is the truth.
"""

import select
import socket
import struct
from types import TracebackType

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: close() sends a reset."""

FAMILIES = {
    "IPv4": (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    "IPv6": (socket.AF_INET6, "::1", "::1"),
    "IPv4-mapped": (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
}
"""Name → family of both sockets, address to listen on, address to connect to."""


class Dialogue:
    """A connection from `client` to `server`, used with `with`."""

    def __init__(self, port: int, family: str = "IPv4") -> None:
        self.port = port
        kind, listening, destination = FAMILIES[family]
        with socket.socket(kind, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if kind == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((listening, port))
            listener.listen()
            self.client = socket.socket(kind, socket.SOCK_STREAM)
            self.client.connect((destination, port))
            self.server, _ = listener.accept()
        self.connection: int = self.client.getsockname()[1]
        """Port of the client's end, by which records are told apart."""

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.server.close()

    def ask(self, data: bytes, piece: int = 0) -> None:
        """The client sends, the server receives all of it; `piece` is the size of each write, 0 for one write."""
        transfer(self.client, self.server, data, piece)

    def answer(self, data: bytes, piece: int = 0) -> None:
        """The server sends, the client receives all of it."""
        transfer(self.server, self.client, data, piece)

    def end(self, which: socket.socket) -> None:
        """Half-close: no more bytes from this end, and the other end has seen so."""
        which.shutdown(socket.SHUT_WR)
        other = self.server if which is self.client else self.client
        assert other.recv(1) == b""

    def reset(self, which: socket.socket) -> None:
        """Close this end with a reset."""
        which.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        which.close()


def transfer(source: socket.socket, target: socket.socket, data: bytes, piece: int = 0, seconds: float = 20.0) -> None:
    """Move `data` through the connection, reading at the other end while writing, so that no buffer can fill up."""
    received = 0
    for start in range(0, len(data), piece or max(len(data), 1)):
        rest = memoryview(data)[start : start + (piece or len(data))]
        end = start + len(rest)
        while received < end:
            writing = [source] if rest else []
            readable, writable, _ = select.select([target], writing, [], seconds)
            assert readable or writable, f"the connection stalled after {received} of {len(data)} bytes"
            if writable:
                rest = rest[source.send(rest, socket.MSG_DONTWAIT) :]
            if readable:
                got = len(target.recv(1 << 18))
                assert got, f"the connection ended after {received} of {len(data)} bytes"
                received += got
