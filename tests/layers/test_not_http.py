"""TCP's own counts of a connection that turned out not to be HTTP, as a backend gets them."""

from collections.abc import Iterator

import pytest

from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.stage.rover import Rover, unexplained
from tests.wire.recorder import Recorder

from .conftest import SECONDS
from .counters import Filter
from .far import SERVER, Far
from .tcp_info import tcp_info

pytestmark = pytest.mark.root

WRAPPED = 1 << 31
"""No count of this test comes near it; one below zero, taken for a number of 32 bits, lies above."""


@pytest.fixture
def backend(tmp_path) -> Iterator[tuple[int, Recorder, Rover]]:
    """A port that a daemon watches, and who it reports to."""
    port = free_port()
    file = tmp_path / "rover.yaml"
    file.write_text(f"watch:\n  ports: [{port}]\n")
    with Recorder() as oap, Rover("-c", str(file), "--oap", oap.address, command=("daemon",)) as rover:
        yield port, oap, rover
        assert unexplained(rover.stop(SECONDS)) == 0


def of_kind(oap: Recorder, kind: str, local: int, remote: int) -> list:
    """Kernel logs so far of one end of the connection between these ports: on this machine others may have one too."""
    found = []
    for stream in list(oap.streams):
        ends = None
        for message in list(stream):
            if message.HasField("connection"):
                ends = [
                    getattr(each, each.WhichOneof("address")).port
                    for each in (message.connection.local, message.connection.remote)
                ]
            if ends == [local, remote]:
                found += [getattr(log, kind) for log in message.kernelLogs if log.WhichOneof("operation") == kind]
    return found


def lose_first_copy(hosts, connection, data: bytes) -> None:
    """The client sends `data`, which the server's host refuses until TCP has sent it again."""
    table = Filter(hosts, SERVER)
    table.chain("prerouting")
    before = tcp_info(connection.client).total_retrans
    table.rules("prerouting", [f"tcp dport {connection.port} counter drop"])
    connection.client.sendall(data)
    wait_until(lambda: tcp_info(connection.client).total_retrans > before, "a retransmission")
    table.clear("prerouting")
    assert connection.server.recv(1000) == data


def test_counts_of_a_connection_that_is_not_http_never_wrap(hosts, backend):
    """A first letter might begin a method, so its operation and the next one have events of their own; what comes then
    is no HTTP, and is told by sums. Retransmissions before, between and after: each is told once, none as 2³² less
    something."""
    port, oap, _ = backend
    connection = Far(hosts, port)
    lose_first_copy(hosts, connection, b"G")
    connection.ask(b"E")
    connection.ask(b"\xff\x00\xfe\x01" * 100)
    lose_first_copy(hosts, connection, b"\xff\x00" * 50)
    for number in range(20):
        connection.ask(bytes([number]) * 100)
        connection.answer(bytes([255 - number]) * 1000)
    truth = tcp_info(connection.client)
    connection.client.close()
    connection.server.close()
    client = (connection.connection, port)
    wait_until(lambda: of_kind(oap, "close", *client), "the end of the connection", SECONDS)
    writes = [write.l4Metrics for write in of_kind(oap, "write", *client)]
    counts = [write.totalRetransmitPackageCount for write in writes]
    assert truth.total_retrans >= 2
    assert max(counts) < WRAPPED, counts
    assert sum(counts) == truth.total_retrans
