"""TLS over memory at both ends, which stop for a while between encrypting a message and sending it.

Arguments: port, certificate, key, clients, requests of each. Prints what every client asked and got, a JSON line each.
"""

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STALL_SECONDS = 0.8
"""A machine without a free CPU stops a thread for as long."""


class End:
    """One end of a connection, with TLS that has no socket."""

    def __init__(self, link: socket.socket, context: ssl.SSLContext, server_name: str | None) -> None:
        self.link, self.coming, self.going = link, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_name is None, server_name)
        self.buffer = b""
        self.receive(self.tls.do_handshake)
        self.link.sendall(self.going.read())

    def receive(self, act: Callable[[], T]) -> T:
        """The result of a call, fed with what the socket has until it has one. EOFError at the end."""
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                self.link.sendall(self.going.read())
                received = self.link.recv(65536)
                if not received:
                    raise EOFError from None
                self.coming.write(received)

    def say(self, message: bytes, stall_seconds: float) -> None:
        """Encrypts at once, sends after a while."""
        self.tls.write(message)
        time.sleep(stall_seconds)
        self.link.sendall(self.going.read())

    def hear(self) -> tuple[bytes, bytes]:
        """The next message: head and body."""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.receive(lambda: self.tls.read(65536))
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        length = int(head.split(b"Content-Length: ")[1].split()[0]) if b"Content-Length: " in head else 0
        while len(self.buffer) < length:
            self.buffer += self.receive(lambda: self.tls.read(65536))
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return head, body


def serve(link: socket.socket, context: ssl.SSLContext) -> None:
    """Answers each request with its own path; some late."""
    with link:
        end = End(link, context, None)
        try:
            while True:
                path = end.hear()[0].split()[1]
                body = path * 10
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                end.say(head + body, STALL_SECONDS if path.endswith(b"/server") else 0)
        except EOFError:
            return


def visit(port: int, context: ssl.SSLContext, marker: int, count: int, seen: list[dict[str, object]]) -> None:
    """Requests one after the other on one connection; some sent late, some answered late."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        end = End(link, context, "localhost")
        for number in range(count):
            slow = {2: "/server", 5: "/client"}.get(number % 9, "")
            path = f"/{marker}/{'n' * number}{slow}"
            end.say(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), STALL_SECONDS if slow == "/client" else 0
            )
            body = end.hear()[1]
            assert body == path.encode() * 10
            own = link.getsockname()[1]
            seen.append({"connection": own, "path": path, "body": len(body), "number": number + 1})


def main() -> None:
    """All clients at once."""
    port, clients, count = int(sys.argv[1]), int(sys.argv[4]), int(sys.argv[5])
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(sys.argv[2], sys.argv[3])
    trust = ssl.create_default_context(cafile=sys.argv[2])
    seen: list[dict[str, object]] = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        visitors = [
            threading.Thread(target=visit, args=(port, trust, marker, count, seen)) for marker in range(clients)
        ]
        for visitor in visitors:
            visitor.start()
        servers = [threading.Thread(target=serve, args=(listener.accept()[0], own)) for _ in visitors]
        for server in servers:
            server.start()
        for thread in visitors + servers:
            thread.join(60)
    for exchange in seen:
        print(json.dumps(exchange))


main()
