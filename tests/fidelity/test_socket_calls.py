"""Every way to move bytes through a socket. mover.c does what it is told; the script of the test is the truth."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.fidelity.messages import chunked, request, response
from tests.stage.exchange import Exchange
from tests.stage.ports import wait_listening

pytestmark = pytest.mark.root

SOURCE = Path(__file__).parent / "programs/mover.c"
PLAIN_RECEIVERS = ["read", "readv", "recv", "recvfrom", "recv-waitall", "recvmsg", "recvmmsg", "peek", "pieces"]
PLAIN_SENDERS = ["write", "writev", "send", "send-more", "sendto", "sendmsg", "sendmmsg", "partial", "zerocopy"]
FILE_SENDERS = ["sendfile", "splice"]
RING_RECEIVERS = ["uring-read", "uring-readv", "uring-recv", "uring-recvmsg", "uring-recv-worker", "uring-recv-sqpoll"]
RING_SENDERS = [
    *("uring-write", "uring-writev", "uring-send", "uring-sendmsg", "uring-send-worker", "uring-send-zerocopy"),
    "uring-send-sqpoll",
]


@pytest.fixture(scope="module")
def mover(build_folder, program):
    """The compiled mover."""
    binary = build_folder / "mover"
    subprocess.run([program("gcc"), "-O1", "-o", binary, SOURCE, "-luring"], check=True, timeout=60)
    return binary


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


SCRIPT = [
    ("GET", b"", 200, b"small"),
    ("POST", b"r" * 3000, 201, b""),
    ("GET", b"", 200, b"s" * 20_000),
    ("PUT", b"r" * 150_000, 200, b"s" * 150_000),
    ("GET", b"", 404, b"end"),
]


def play(mover, role):
    """Make the exchanges of SCRIPT, the mover being server or client."""
    ask, answer = (mover.receive, mover.send) if role == "listen" else (mover.send, mover.receive)
    for number, (method, asked, status, answered) in enumerate(SCRIPT):
        ask(request(method, f"/{number}", "X-Filler: " + "f" * 100, body=asked))
        answer(response(status, "X-Filler: " + "f" * 100, body=answered))
    return [
        Exchange(method, f"/{number}", status, len(asked), len(answered), connection=mover.connection)
        for number, (method, asked, status, answered) in enumerate(SCRIPT)
    ]


@pytest.mark.parametrize("role", ["listen", "connect"])
@pytest.mark.parametrize("receiver", PLAIN_RECEIVERS + RING_RECEIVERS)
def test_every_way_to_receive_gives_the_same_records(judge, ports, tmp_path, mover, role, receiver):
    """Up to 1000 iovecs, ten messages in one call, peeking, kernel threads: never a byte twice or too few."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, receiver=receiver) as moving:
        truth = play(moving, role)
    judge.require(port, truth)


@pytest.mark.parametrize("role", ["listen", "connect"])
@pytest.mark.parametrize("sender", PLAIN_SENDERS + FILE_SENDERS + RING_SENDERS)
def test_every_way_to_send_gives_the_same_records(judge, ports, tmp_path, mover, role, sender):
    """Up to 1000 iovecs, ten messages in one call, zero copy, from a file or pipe, partial writes, kernel threads."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, sender=sender) as moving:
        truth = play(moving, role)
    judge.require(port, truth)


@pytest.mark.parametrize("role", ["listen", "connect"])
def test_bytes_taken_by_splice_are_told_or_told_missing(judge, ports, tmp_path, mover, role):
    """No hook shows what splice takes from a socket, but stream offsets reveal how much: `gap`, never silence."""
    port = ports.pop()
    with Mover(mover, tmp_path, role, port, receiver="splice") as moving:
        truth = play(moving, role)
    other = "client" if role == "listen" else "server"
    judge.require(port, truth, sides=(other,))
    side = "server" if role == "listen" else "client"
    judge.require(port, truth, sides=(side,), excused=frozenset({"gap", "no_request", "no_response"}))


@pytest.mark.parametrize("how", ["dup", "fork", "pass"])
def test_a_socket_keeps_its_exchanges_when_it_changes_hands(judge, ports, tmp_path, mover, how):
    """Duplicated, inherited, or passed to another process between and within exchanges: one connection, all records."""
    port = ports.pop()
    with Mover(mover, tmp_path, "listen", port) as moving:
        moving.receive(request("GET", "/before"))
        moving.send(response(200, body=b"1"))
        moving.do(how)
        moving.await_done()
        moving.receive(request("GET", "/after"))
        moving.do(how)
        moving.await_done()
        moving.send(response(200, body=b"22"))
        moving.receive(request("POST", "/last", "Transfer-Encoding: chunked") + chunked(b"abc"))
        moving.send(response(204, body=None))
    truth = [
        Exchange("GET", "/before", 200, 0, 1, number=1),
        Exchange("GET", "/after", 200, 0, 2, number=2),
        Exchange("POST", "/last", 204, 3, 0, number=3),
    ]
    judge.require(port, [each.on(moving.connection) for each in truth])
