"""Plaintext that the ring had no room for: a gap that is flagged and counted; nothing behind it is shifted."""

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fidelity.messages import request, response
from tests.stage.comparison import compare
from tests.stage.dialogue import Dialogue
from tests.stage.exchange import Exchange
from tests.stage.judge import BOTH
from tests.stage.ports import free_port
from tests.stage.rover import Record, Rover, unexplained
from tests.tls.conftest import Certificate

pytestmark = pytest.mark.root

SMALL_RING = {"ROVER_KERNEL_RING_BYTES": str(256 * 1024)}
EXPLAINING = frozenset({"gap", "no_request", "no_response"})
SECONDS = 30.0


class End:
    """One end over memory: what it encrypts it sends by itself."""

    def __init__(self, link: socket.socket, context: ssl.SSLContext, is_server: bool) -> None:
        self.link, self.coming, self.going = link, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, is_server)

    def do_handshake(self) -> None:
        """To its end."""
        while True:
            try:
                self.tls.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self.coming.write(self.link.recv(65536))

    def flush(self) -> None:
        """Sends what waits."""
        if self.going.pending:
            self.link.sendall(self.going.read())

    def sendall(self, data: bytes) -> None:
        """Encrypts, then sends."""
        self.tls.write(data)
        self.flush()

    def recv(self, size: int) -> bytes:
        """Receives, then decrypts."""
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                self.coming.write(self.link.recv(65536))


class TlsDialogue:
    """Both ends of a connection under TLS, of which one speaks at a time."""

    def __init__(self, link: Dialogue, certificate: Certificate, is_memory: bool) -> None:
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.load_cert_chain(certificate.certificate, certificate.key)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.client: End | ssl.SSLSocket
        self.server: End | ssl.SSLSocket
        if is_memory:
            self.client, self.server = End(link.client, trusting, False), End(link.server, own, True)
        else:
            self.client = trusting.wrap_socket(link.client, do_handshake_on_connect=False)
            self.server = own.wrap_socket(link.server, server_side=True, do_handshake_on_connect=False)
            # The dialogue closes them.
            link.client, link.server = self.client, self.server
        answering = threading.Thread(target=self.server.do_handshake)
        answering.start()
        self.client.do_handshake()
        answering.join(20)
        self.connection = link.connection
        self.spans: dict[str, tuple[int, int]] = {}

    def exchange(self, numbers: range) -> Iterator[Exchange]:
        """Exchanges of these numbers, each with sizes of its own; what is true of them."""
        for number in numbers:
            since_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            asked = request("POST", f"/{number}", body=b"x" * (number % 7))
            answered = response(200, body=b"y" * (number % 11))
            for source, target, data in ((self.client, self.server, asked), (self.server, self.client, answered)):
                source.sendall(data)
                received = b""
                while len(received) < len(data):
                    received += target.recv(65536)
            self.spans[f"/{number}"] = since_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            yield Exchange("POST", f"/{number}", 200, number % 7, number % 11, connection=self.connection)


def is_told(rover: Rover, port: int, path: str) -> bool:
    """By both sides."""

    def has(side: str) -> bool:
        return any(record["path"] == path for record in rover.records_of(port, side)[-3:])

    return rover.wait_for(lambda: all(has(side) for side in BOTH), SECONDS)


def told_exchanges(rover: Rover, port: int, talk: TlsDialogue, numbers: range) -> list[Exchange]:
    """A few at a time: a ring so small is full after some dozens, if the machine has other things to do."""
    truth: list[Exchange] = []
    for at in range(0, len(numbers), 10):
        truth += talk.exchange(numbers[at : at + 10])
        assert is_told(rover, port, str(truth[-1].path))
    return truth


def require_own_times(records: list[Record], spans: dict[str, tuple[int, int]]) -> None:
    """What carried an exchange did so while it lasted, and is no more than that."""
    for record in records:
        # The first one comes with the tickets of the handshake.
        if record["path"] in (None, "/0"):
            continue
        since_ns, until_ns = spans[record["path"]]
        # A response that was lost may have left its place to a later one: that is what the flag says.
        end_ns = record["start_ns"] if record["flags"] else record["end_ns"]
        assert since_ns <= record["start_ns"] <= end_ns <= until_ns, record
        # The head of a record and the rest.
        for way in ("read", "write"):
            assert record["kernel"].get(way, {"operations": 0})["operations"] <= 2, record


@pytest.mark.parametrize("is_memory", [False, True], ids=["socket", "memory"])
def test_plaintext_without_room_is_a_gap_and_shifts_nothing(certificate: Certificate, is_memory: bool) -> None:
    """rover is stopped while more happens than its ring holds: on one connection, before, at and after the loss, each
    record has the sizes of its own path and the times of its own operations, or a flag that says what is missing."""
    port = free_port()
    with Rover("--port", str(port), environment=SMALL_RING) as rover, Dialogue(port) as link:
        talk = TlsDialogue(link, certificate, is_memory)
        truth = told_exchanges(rover, port, talk, range(50))
        os.kill(rover.pid, signal.SIGSTOP)
        try:
            truth += talk.exchange(range(100, 1100))
        finally:
            os.kill(rover.pid, signal.SIGCONT)
        assert rover.wait_for(lambda: len(rover.records) > 200, SECONDS), "the ring is not drained"
        # There is room again once the next exchange is told.
        truth += told_exchanges(rover, port, talk, range(10_000, 10_001))
        truth += told_exchanges(rover, port, talk, range(20_000, 20_050))
        ledger = rover.stop()
    assert ledger["ring_full"] > 0, ledger
    assert unexplained(ledger) == 0, ledger
    for side in BOTH:
        records = rover.records_of(port, side)
        differences = compare(records, truth, EXPLAINING)
        assert not differences.wrong, f"{side} side: {differences}"
        assert all(EXPLAINING & set(each["flags"]) for each in differences.invented), f"{side} side: {differences}"
        assert any("gap" in each["flags"] for each in records), f"{side} side: no gap"
        assert not records[-1]["flags"], f"{side} side: {records[-1]}"
        undisturbed = {f"/{number}" for number in (*range(50), *range(20_000, 20_050))}
        assert undisturbed.isdisjoint(each.path for each in differences.missing), f"{side} side: {differences}"
        require_own_times(records, talk.spans)
