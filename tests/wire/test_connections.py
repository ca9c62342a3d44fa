"""What connections do besides exchanges, as a backend gets it from a running daemon: opened, closed, and the traffic
that is not HTTP. Both ends are sockets of this process; what they did is the truth."""

import errno
import random
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fidelity.messages import request, response
from tests.layers.tcp_info import tcp_info
from tests.stage.deadline import wait_until
from tests.stage.dialogue import Dialogue
from tests.stage.ports import free_port
from tests.stage.rover import Rover, unexplained
from tests.wire import messages
from tests.wire.recorder import Recorder

pytestmark = [pytest.mark.slow, pytest.mark.root]

CLIENT, SERVER = 0, 1
"""Roles on the wire."""

TCP, HTTP = 0, 1
"""Protocols on the wire."""

PORTS = 16
SECONDS = 10.0


class Log(NamedTuple):
    """One kernel log and what it belongs to."""

    kind: str
    """`connect`, `accept`, `read`, `write`, `close`."""
    operation: Any
    protocol: int
    message: int
    """Number of the message that it came in."""
    has_exchange: bool

    @property
    def took_ns(self) -> int:
        """From begin to end."""
        return int(self.operation.endTime.offset.offset - self.operation.startTime.offset.offset)


def port_of(address: Any) -> int:
    """Of an end, known by name or by address."""
    return int(getattr(address, address.WhichOneof("address")).port)


class Wire:
    """What a backend was told of the connections of given ports."""

    def __init__(self, oap: Recorder, rover: Rover) -> None:
        self.oap, self.rover = oap, rover

    def logs(self, role: int, local: int, remote: int) -> list[Log]:
        """Kernel logs of one end of a connection so far, in the order in which they came."""
        found = []
        for stream in list(self.oap.streams):
            connection = None
            for number, message in enumerate(list(stream)):
                connection = message.connection if message.HasField("connection") else connection
                if connection is None or connection.role != role:
                    continue
                if (port_of(connection.local), port_of(connection.remote)) != (local, remote):
                    continue
                for log in message.kernelLogs:
                    kind = log.WhichOneof("operation")
                    found.append(
                        Log(kind, getattr(log, kind), connection.protocol, number, message.HasField("protocolLog"))
                    )
        return found

    def wait(self, role: int, local: int, remote: int, *kinds: str) -> list[Log]:
        """Logs of one end, once one of each kind is there."""
        what = f"{', '.join(kinds)} of {local} → {remote}"
        wait_until(lambda: set(kinds) <= {log.kind for log in self.logs(role, local, remote)}, what, SECONDS)
        return self.logs(role, local, remote)


def only(logs: list[Log], kind: str) -> Log:
    """The one log of this kind."""
    (log,) = (log for log in logs if log.kind == kind)
    return log


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """Ports that the daemon watches, to be taken from with `pop`."""
    return [free_port() for _ in range(PORTS)]


def configuration(folder: Path, ports: list[int], more: str = "") -> str:
    """A file for `rover daemon`."""
    file = folder / "rover.yaml"
    file.write_text(f"watch:\n  ports: {ports}\n{more}")
    return str(file)


@pytest.fixture(scope="module")
def wire(ports: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A daemon that reports to a recorder; in the end nothing is unexplained."""
    file = configuration(tmp_path_factory.mktemp("daemon"), ports)
    with Recorder() as oap, Rover("-c", file, "--oap", oap.address, command=("daemon",)) as rover:
        yield Wire(oap, rover)
        ledger = rover.stop()
    assert unexplained(ledger) == 0, ledger


@pytest.fixture
def talk(wire: Wire, ports: list[int]) -> Iterator[Dialogue]:
    """An open connection to a port of its own."""
    with Dialogue(ports.pop()) as dialogue:
        yield dialogue


def frame(size: int) -> bytes:
    """A message of a binary protocol: length, then bytes that are no text."""
    return struct.pack("!I", size) + random.Random(size).randbytes(size)


def test_a_connection_is_opened_used_and_closed_at_both_ends(talk: Dialogue, wire: Wire) -> None:
    """In this order, each once, with success; whoever closes first."""
    after_opening = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    talk.ask(frame(10))
    talk.answer(frame(20))
    talk.server.close()
    assert talk.client.recv(1) == b""
    talk.client.close()
    for role, ends, opening, used in (
        (CLIENT, (talk.connection, talk.port), "connect", ["read", "write"]),
        (SERVER, (talk.port, talk.connection), "accept", ["read", "write"]),
    ):
        logs = wire.wait(role, *ends, opening, "close")
        assert [logs[0].kind, logs[-1].kind] == [opening, "close"]
        assert sorted(log.kind for log in logs[1:-1]) == used
        assert {log.protocol for log in logs} == {TCP}
        assert logs[-1].operation.success
        assert logs[0].operation.endTime.offset.offset <= logs[-1].operation.startTime.offset.offset
        assert logs[0].took_ns >= 0
    connect = only(wire.logs(CLIENT, talk.connection, talk.port), "connect")
    assert connect.operation.success
    assert 0 < connect.took_ns < 10**9
    assert connect.operation.endTime.offset.offset < after_opening


def test_a_connection_without_a_byte_is_told_by_who_opened_it(talk: Dialogue, wire: Wire) -> None:
    """The protocol of nothing is TCP. Who accepted it shows only in the call or at the first operation."""
    talk.end(talk.client)
    talk.server.close()
    talk.client.close()
    logs = wire.wait(CLIENT, talk.connection, talk.port, "connect", "close")
    assert [log.kind for log in logs] == ["connect", "close"]
    assert {log.protocol for log in logs} == {TCP}
    assert logs[1].operation.success


def test_a_connection_is_opened_and_closed_at_both_ends(talk: Dialogue, wire: Wire) -> None:
    """Whatever is told of what lies between."""
    talk.ask(frame(10))
    talk.answer(frame(20))
    talk.client.close()
    assert talk.server.recv(1) == b""
    talk.server.close()
    for role, ends, opening in (
        (CLIENT, (talk.connection, talk.port), "connect"),
        (SERVER, (talk.port, talk.connection), "accept"),
    ):
        logs = wire.wait(role, *ends, opening, "close")
        assert [logs[0].kind, logs[-1].kind] == [opening, "close"]
        assert only(logs, "close").operation.success
        assert not any(log.has_exchange for log in logs)


def test_a_reset_is_a_close_that_did_not_succeed(talk: Dialogue, wire: Wire) -> None:
    """At the end that sends it and at the one that gets it."""
    talk.ask(frame(10))
    talk.reset(talk.client)
    with pytest.raises(ConnectionResetError):
        talk.server.recv(1)
    talk.server.close()
    for role, ends in ((CLIENT, (talk.connection, talk.port)), (SERVER, (talk.port, talk.connection))):
        closed = only(wire.wait(role, *ends, "close"), "close")
        assert not closed.operation.success


def test_a_connect_that_is_refused(wire: Wire, ports: list[int]) -> None:
    """Nobody listens. The other end is no connection, and is not told of."""
    port = ports.pop()
    with socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        local = client.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))
        logs = wire.wait(CLIENT, local, port, "connect")
    assert not only(logs, "connect").operation.success
    assert not any(log.kind in ("read", "write") for log in logs)
    assert wire.logs(SERVER, port, local) == []


def begin_connect(port: int) -> socket.socket:
    """A socket whose connect goes on in the background: the call said EINPROGRESS."""
    client = socket.socket()
    client.setblocking(False)
    client.bind(("127.0.0.1", 0))
    assert client.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
    return client


def outcome(client: socket.socket) -> int:
    """What became of it, once it is known."""
    _, ready, _ = select.select([], [client], [], SECONDS)
    assert ready
    return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_a_connect_in_the_background_that_is_refused(wire: Wire, ports: list[int]) -> None:
    """EINPROGRESS is no success: what the call said does not matter, what became of the connection does."""
    port = ports.pop()
    with begin_connect(port) as client:
        local = client.getsockname()[1]
        assert outcome(client) == errno.ECONNREFUSED
        logs = wire.wait(CLIENT, local, port, "connect")
    assert not only(logs, "connect").operation.success


def test_a_connect_in_the_background_lasts_until_the_connection_is_there(wire: Wire, ports: list[int]) -> None:
    """The listener's queue is full, so it does not answer until somebody has accepted and the client has asked again,
    a second later. The time of the connect is what passed between, less what this process needs to notice."""
    port = ports.pop()
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        first.connect(("127.0.0.1", port))
        begin = time.monotonic_ns()
        with begin_connect(port) as client:
            local = client.getsockname()[1]
            assert select.select([], [client], [], 0.05)[1] == [], "the queue was not full"
            assert wire.logs(CLIENT, local, port) == []
            accepted = [listener.accept()[0]]
            assert outcome(client) == 0
            took_ns = time.monotonic_ns() - begin
            accepted.append(listener.accept()[0])
            for end in accepted:
                end.close()
            logs = wire.wait(CLIENT, local, port, "connect")
    connect = only(logs, "connect")
    assert connect.operation.success
    assert 0.5 * 10**9 < connect.took_ns <= took_ns
    assert took_ns - connect.took_ns < 0.5 * 10**9


def exchange_frames(talk: Dialogue, sizes: list[tuple[int, int]]) -> dict[str, int]:
    """Both ends write and read these sizes in turn, each with one call; the number of reads of each end."""
    reads = {"client": 0, "server": 0}
    for there, back in sizes:
        for source, target, name, size in (
            (talk.client, talk.server, "server", there),
            (talk.server, talk.client, "client", back),
        ):
            source.sendall(frame(size))
            left = 4 + size
            while left:
                left -= len(target.recv(left))
                reads[name] += 1
    return reads


def test_traffic_that_is_not_http_is_told_whole(talk: Dialogue, wire: Wire) -> None:
    """Fifty calls of known sizes both ways: calls and bytes are those of the test, packets those of TCP itself
    (TCP_INFO), the protocol is TCP, and there is no protocol log. Exact."""
    sizes = [(number * 37 % 900, number * 211 % 5000) for number in range(50)]
    reads = exchange_frames(talk, sizes)
    sent = sum(4 + there for there, _ in sizes)
    received = sum(4 + back for _, back in sizes)
    truth = {"client": tcp_info(talk.client), "server": tcp_info(talk.server)}
    talk.client.close()
    talk.server.close()
    for role, name, ends, out, back in (
        (CLIENT, "client", (talk.connection, talk.port), sent, received),
        (SERVER, "server", (talk.port, talk.connection), received, sent),
    ):
        logs = wire.wait(role, *ends, "close")
        assert not any(log.has_exchange for log in logs)
        assert {log.protocol for log in logs} == {TCP}
        writes = [log.operation for log in logs if log.kind == "write"]
        readings = [log.operation for log in logs if log.kind == "read"]
        assert sum(write.l4Metrics.totalPackageSize for write in writes) == out
        assert sum(read.l2Metrics.totalPackageSize for read in readings) == back
        assert len(writes) == len(sizes)
        assert len(readings) == reads[name]
        assert sum(write.l4Metrics.totalTransmitPackageCount for write in writes) == truth[name].data_segs_out
        assert sum(read.l2Metrics.totalPackageCount for read in readings) == truth[name].data_segs_in


def test_the_opening_and_the_end_of_an_http_connection_are_messages_of_their_own(talk: Dialogue, wire: Wire) -> None:
    """Its exchanges have the reads and writes, once each."""
    for number in range(3):
        talk.ask(request("GET", f"/{number}"))
        talk.answer(response(200))
    talk.client.close()
    assert talk.server.recv(1) == b""
    talk.server.close()
    for role, ends, opening in (
        (CLIENT, (talk.connection, talk.port), "connect"),
        (SERVER, (talk.port, talk.connection), "accept"),
    ):
        logs = wire.wait(role, *ends, opening, "close")
        for kind in (opening, "close"):
            log = only(logs, kind)
            assert not log.has_exchange
        assert only(logs, "close").protocol == HTTP
        assert [log.kind for log in logs if log.has_exchange] == (
            ["write", "read"] * 3 if role == CLIENT else ["read", "write"] * 3
        )
        assert not any(log.kind in ("read", "write") for log in logs if not log.has_exchange)


PEER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as end:
    end.sendall(bytes(range(128, 228)))
    assert end.recv(100, socket.MSG_WAITALL)
"""


def test_an_excluded_process_yields_nothing(tmp_path: Path) -> None:
    """Neither opened nor closed nor traffic; its peer, which is not excluded, is told of."""
    port = free_port()
    rules = "  exclude:\n    - {cmdline: '*left-alone*'}\n"
    file = configuration(tmp_path, [port], rules)
    with (
        Recorder() as oap,
        Rover("-c", file, "--oap", oap.address, command=("daemon",)) as rover,
        socket.create_server(("127.0.0.1", port)) as listener,
    ):
        wire = Wire(oap, rover)
        with subprocess.Popen([sys.executable, "-c", PEER, str(port), "left-alone"]):
            server, (_, remote) = listener.accept()
            assert server.recv(100, socket.MSG_WAITALL)
            server.sendall(bytes(range(128, 228)))
            assert server.recv(1) == b""
            server.close()
        logs = wire.wait(SERVER, port, remote, "accept", "close")
        rover.stop()
        assert [logs[0].kind, logs[-1].kind] == ["accept", "close"]
        assert wire.logs(CLIENT, remote, port) == []


def test_messages_have_nothing_that_is_not_of_the_protocol(wire: Wire) -> None:
    """Every message so far, field by field."""
    assert wire.oap.messages
    for message in wire.oap.messages:
        assert messages.unknown_fields(message) == []
