"""What people think of a product. Each tenth answer takes twice as long: the slow dependency."""

import itertools
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

calls = itertools.count()


class Reviews(BaseHTTPRequestHandler):
    """`GET /reviews/{product}`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Think, then answer."""
        time.sleep(0.9 if next(calls) % 10 == 9 else 0.35)
        body = json.dumps({"stars": 4, "text": "Does what it says."}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not here: the access log is rover."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Reviews).serve_forever()
