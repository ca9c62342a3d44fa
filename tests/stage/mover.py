"""programs/mover.c: a process that moves bytes through one connection by the system calls it is told to use."""

import socket
import subprocess
from pathlib import Path

from tests.stage.ports import wait_listening

SOURCE = Path(__file__).parent / "programs/mover.c"
PLAIN_RECEIVERS = ["read", "readv", "recv", "recvfrom", "recv-waitall", "recvmsg", "recvmmsg", "peek", "pieces"]
PLAIN_SENDERS = ["write", "writev", "send", "send-more", "sendto", "sendmsg", "sendmmsg", "partial", "zerocopy"]
FILE_SENDERS = ["sendfile", "splice"]
RING_RECEIVERS = ["uring-read", "uring-readv", "uring-recv", "uring-recvmsg", "uring-recv-worker", "uring-recv-sqpoll"]
RING_SENDERS = [
    *("uring-write", "uring-writev", "uring-send", "uring-sendmsg", "uring-send-worker", "uring-send-zerocopy"),
    "uring-send-sqpoll",
]


class Mover:
    """A running mover at one end of a connection whose other end is `peer`, used with `with`."""

    def __init__(self, binary, folder, role, port, receiver="read", sender="write"):
        self.message = folder / "message"
        command = [binary, role, str(port), receiver, sender]
        if role == "listen":
            self.start(command)
            wait_listening(port)
            self.peer = socket.create_connection(("127.0.0.1", port))
            self.connection = self.peer.getsockname()[1]
        else:
            with socket.create_server(("127.0.0.1", port)) as listener:
                self.start(command)
                self.peer, (_, self.connection) = listener.accept()
        self.peer.settimeout(20)
        assert self.process.stdout.readline() == "connected\n"

    def start(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.peer.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        assert status == 0

    def do(self, command):
        self.process.stdin.write(command + "\n")

    def await_done(self):
        assert self.process.stdout.readline() == "ok\n", "the mover ended: its word is on stderr"

    def receive(self, data):
        """Let the mover receive what the peer sends."""
        self.do(f"receive {len(data)}")
        self.peer.sendall(data)
        self.await_done()

    def send(self, data):
        """Let the mover send what the peer then receives, which must be the same bytes."""
        self.message.write_bytes(data)
        self.do(f"send {self.message}")
        got = bytearray()
        while len(got) < len(data):
            got += self.peer.recv(1 << 20)
        self.await_done()
        assert got == data
