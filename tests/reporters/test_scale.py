"""Several nodes into one backend, and one node to what is behind a load balancer."""

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.reporters.place import Place
from tests.stage.deadline import wait_until
from tests.wire.programs import BUILD_SECONDS, send_records
from tests.wire.recorder import Recorder

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

SECOND_NS = 10**9


@pytest.mark.slow
def test_several_nodes_report_into_one_backend(tmp_path: Path) -> None:
    """At the same time; every record of each is stored, once."""
    place, count, nodes = Place(tmp_path, []), 3000, 3
    place.tree["backend"]["store"]["retention_hours"] = 80_000
    with place.backend() as backend, ThreadPoolExecutor(nodes) as pool:

        def send(node: int) -> dict[str, int]:
            at_ns = 1_795_261_575 * SECOND_NS + node
            sent = send_records([f"127.0.0.1:{place.grpc}"], count, at_ns=at_ns, rate=3000, unknown_end="name")
            assert sent.is_balanced
            assert sent.stats["dropped"] == {}
            return sent.stats

        told = list(pool.map(send, range(nodes)))
        acked = sum(stats["acked"] for stats in told)
        wait_until(lambda: len(place.stored()) >= acked, "all records of all nodes", 30)
        stored = place.stored()
        assert backend.stop()[0] == 0
    assert len({identity for identity, _, _ in stored}) == len(stored) == acked == count * nodes
    assert set(Counter(path for _, _, path in stored if path).values()) == {nodes}


class Balancer:
    """Gives each connection to the next of several servers, as one that balances connections does."""

    def __init__(self, targets: list[str]) -> None:
        self._targets = targets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Balancer":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            host, port = self._targets[self.connections % len(self._targets)].split(":")
            self.connections += 1
            far = socket.create_connection((host, int(port)))
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                thread = threading.Thread(target=self._copy, args=pair, daemon=True)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_connections_spread_over_what_is_behind_a_load_balancer() -> None:
    """A connection is opened anew after its time; what is on its way then is neither lost nor sent twice."""
    with Recorder() as one, Recorder() as other, Balancer([one.address, other.address]) as balancer:
        sent = send_records(
            [balancer.address], 3000, rate=1000, stream_seconds=0.1, connection_seconds=0.4, unknown_end="name"
        )
        assert sent.is_balanced
        assert sent.stats["dropped"] == {}
        paths = [
            message.protocolLog.http.request.path
            for message in (*one.messages, *other.messages)
            if message.HasField("protocolLog") and message.protocolLog.http.request.path != "/"
        ]
        assert one.messages
        assert other.messages
    assert len(paths) == len(set(paths)) == 3000 * 8 // 12
    assert sent.stats["resent"] == 0
    assert balancer.connections >= 4
