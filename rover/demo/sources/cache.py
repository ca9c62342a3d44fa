"""A cache with a protocol of its own, `SET key value` and `GET key` by line: TCP that is not HTTP."""

import socketserver
import sys

kept: dict[str, str] = {}


class Conversation(socketserver.StreamRequestHandler):
    """One connection, which stays open."""

    def handle(self) -> None:
        """Answer each line."""
        for line in self.rfile:
            word, _, rest = line.decode().strip().partition(" ")
            key, _, value = rest.partition(" ")
            if word == "SET":
                kept[key] = value
                self.wfile.write(b"+OK\n")
            else:
                self.wfile.write(f"+{kept.get(key, '')}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True


Server(("127.0.0.1", int(sys.argv[1])), Conversation).serve_forever()
