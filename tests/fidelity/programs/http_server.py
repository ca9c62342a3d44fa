"""The server of README.md on Python's http.server: `http_server.py PORT LOG`."""

import http.server
import json
import sys

PIECES = [b"a" * 5, b"b" * 5000, b"c" * 50000]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the paths, with kept connections."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing to stderr."""

    def answer(self) -> None:
        """Any method."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        if path == "/none":
            self.send_response(204)
            self.end_headers()
            sent, status = 0, 204
        elif path == "/pieces":
            sent, status = self.send_pieces(), 200
        else:
            known = {"/plain": b"hello world", "/large": b"l" * (1 << 20), "/echo": body}
            status = 200 if path in known else 404
            sent = self.send_known(status, known.get(path, b"no"))
        entry = {
            "connection": self.client_address[1],
            "method": self.command,
            "target": self.path,
            "status": status,
            "request_body": length,
            "response_body": sent,
        }
        log.write(json.dumps(entry) + "\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_BREW = answer  # noqa: N815 - the names are http.server's

    def send_known(self, status: int, body: bytes) -> int:
        """A response of known length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return 0
        self.wfile.write(body)
        return len(body)

    def send_pieces(self) -> int:
        """A chunked response."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return 0
        for piece in PIECES:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        return sum(map(len, PIECES))


with open(sys.argv[2], "w", buffering=1) as log:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
