"""The shop itself: asks catalog, reviews, payments and cache, and makes one answer of theirs."""

import json
import socket
import ssl
import sys
import threading
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, catalog, reviews, payments, cache, folder = sys.argv[1:]
mine = threading.local()
trusted = ssl.create_default_context(cafile=f"{folder}/cert.pem") if payments else None


def ask(where: str, method: str, path: str, body: bytes | None = None) -> tuple[int, object]:
    """Status and answer of another service, 502 if it gave none. Connections of a thread stay open."""
    if not where:  # left out of this demo
        return 200, None
    held = mine.__dict__.setdefault("connections", {})
    try:
        if where not in held:
            is_secure = where == payments
            held[where] = (
                HTTPSConnection(where, timeout=5, context=trusted) if is_secure else HTTPConnection(where, timeout=5)
            )
        held[where].request(method, path, body)
        answer = held[where].getresponse()
        return answer.status, json.load(answer)
    except (OSError, HTTPException, ValueError):
        held.pop(where, None)
        return 502, None


def remember(key: str, value: str) -> str:
    """Tell the cache, and hear what it has."""
    if not cache:
        return value
    if not hasattr(mine, "cache"):
        host, _, number = cache.partition(":")
        mine.cache = socket.create_connection((host, int(number)), 5).makefile("rw")
    mine.cache.write(f"SET {key} {value}\n")
    mine.cache.flush()
    mine.cache.readline()
    mine.cache.write(f"GET {key}\n")
    mine.cache.flush()
    return str(mine.cache.readline()[1:].strip())


class Shop(BaseHTTPRequestHandler):
    """`/products`, `/products/{name}`, `/reviews/{name}`, `/cart`, `/checkout`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Look around."""
        if self.path.startswith("/products"):
            self._answer(*ask(catalog, "GET", self.path))
        elif self.path.startswith("/reviews/"):
            self._answer(*ask(reviews, "GET", self.path))
        else:
            self._answer(404, {"error": "the shop has no such thing"})

    def do_POST(self) -> None:
        """Fill the cart, or pay."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/cart":
            self._answer(200, {"cart": remember("cart", body.decode() or "empty")})
            return
        status, _ = ask(payments, "POST", "/charge", body)
        self._answer(201 if status < 300 else 502, {"ordered": status < 300})

    def log_message(self, *_: object) -> None:
        """Not here: the access log is rover."""

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(port)), Shop).serve_forever()
