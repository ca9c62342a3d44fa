"""Listening ports, from sockets that really listen."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess

import pytest

from rover.processes.listening import Listening
from rover.processes.procfs import ProcFs


class Tables(Listening):
    """The fall-back alone."""

    def sockets(self, pid: int) -> dict[int, int]:
        return self._read_tables(pid)


@pytest.fixture(params=[Listening, Tables])
def listening(request) -> Listening:
    return request.param(ProcFs())


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_socket_that_listens_is_found_with_its_holder(listening, family, host):
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        inode = os.fstat(server.fileno()).st_ino
        sockets = listening.sockets(os.getpid())
        assert sockets[inode] == port
        assert listening.ports(os.getpid(), sockets) >= {port}
        assert listening.ports(os.getppid(), {inode: port}) == set()
    assert inode not in listening.sockets(os.getpid())


def test_connections_are_no_listening_sockets(listening):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        sockets = listening.sockets(os.getpid())
        assert os.fstat(server.fileno()).st_ino in sockets
        assert os.fstat(client.fileno()).st_ino not in sockets
        assert os.fstat(accepted.fileno()).st_ino not in sockets


def test_a_bound_socket_that_does_not_listen_is_not_listed(listening):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert os.fstat(bound.fileno()).st_ino not in listening.sockets(os.getpid())


def test_a_process_that_is_gone_listens_nowhere():
    listening = Listening(ProcFs("/nonexistent"))
    assert listening.sockets(1) == {}
    assert listening.ports(1, {1: 80}) == set()
    assert listening.maybe_namespace(1) is None


def test_many_listening_sockets_are_all_found(listening):
    """More than fit one answer of the kernel."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(600)]
        inodes = {os.fstat(server.fileno()).st_ino: server.getsockname()[1] for server in servers}
        assert inodes.items() <= listening.sockets(os.getpid()).items()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
def test_a_process_in_another_network_namespace_is_asked_there(listening):
    program = "import socket; s = socket.create_server(('', 7777)); print('listening', flush=True); input()"
    child = subprocess.Popen(
        ["unshare", "--net", "python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "listening\n"
        before = os.readlink("/proc/thread-self/ns/net")
        sockets = listening.sockets(child.pid)
        assert list(sockets.values()) == [7777]
        assert listening.ports(child.pid, sockets) == {7777}
        assert 7777 not in listening.sockets(os.getpid()).values()
        assert os.readlink("/proc/thread-self/ns/net") == before
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait()
