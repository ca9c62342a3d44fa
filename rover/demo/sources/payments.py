"""Takes the money, over HTTPS. Each fifth charge fails: the error to be found."""

import itertools
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, folder = int(sys.argv[1]), sys.argv[-1]
calls = itertools.count()


class Payments(BaseHTTPRequestHandler):
    """`POST /charge`, `GET /methods`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Ways to pay."""
        self._answer(200, ["card", "invoice"])

    def do_POST(self) -> None:
        """Charge."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(0.012)
        if next(calls) % 5 == 4:
            self._answer(503, {"error": "the bank does not answer"})
        else:
            self._answer(201, {"charged": True})

    def log_message(self, *_: object) -> None:
        """Not here: the access log is rover."""

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", port), Payments)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
