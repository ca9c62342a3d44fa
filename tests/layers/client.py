"""`python -m tests.layers.client PORT REQUESTS CONNECTIONS`: GETs on kept connections of 127.0.0.1, one at a time."""

import socket
import sys

REQUEST = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


def fetch(end: socket.socket) -> None:
    """One exchange; the response has a Content-Length."""
    end.sendall(REQUEST)
    head, _, body = end.recv(1 << 16).partition(b"\r\n\r\n")
    missing = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) - len(body)
    while missing:
        missing -= len(end.recv(1 << 16))


def main(port: int, requests: int, connections: int) -> None:
    """Make the requests, each on the next connection in turn."""
    ends = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(connections)]
    for number in range(requests):
        fetch(ends[number % connections])
    for end in ends:
        end.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
