"""Which TCP ports a process listens on.

Asked of the kernel's socket diagnosis with a filter for listening sockets, 30 µs. The text of /proc/net/tcp is only the
fall-back: to fill its page the kernel walks the table of all connections, 2 ms on a machine with many gigabytes."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from rover.processes.procfs import ProcFs

_SOCKET = re.compile(r"socket:\[(\d+)\]", re.ASCII)
_LISTEN = 10  # TCP_LISTEN in include/net/tcp_states.h

# include/uapi/linux/{netlink,sock_diag,inet_diag}.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ASK = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states; any socket
_ANSWER = struct.Struct("=4x2s62xI")  # port in network order, inode
_MOST_BYTES = 256 * 1024  # of one answer; the kernel sends at most 32 KiB at a time

_CLONE_NEWNET = 0x4000_0000


class Listening:
    """Answers about listening sockets, by way of one /proc."""

    def __init__(self, proc: ProcFs) -> None:
        self._proc = proc
        self._own_namespace = self.maybe_namespace(os.getpid())

    def maybe_namespace(self, pid: int) -> str | None:
        """The network namespace of a process, as a name that can be compared; None if the process is gone."""
        return self._proc.maybe_link(pid, "ns/net")

    def sockets(self, pid: int) -> dict[int, int]:
        """Every listening socket of the namespace of `pid`: its inode and port. Empty if the process is gone."""
        namespace = self.maybe_namespace(pid)
        if namespace is None:
            return {}
        try:
            if namespace == self._own_namespace:
                return _diagnose()
            with _namespace_of(f"{self._proc.root}/{pid}/ns/net"):
                return _diagnose()
        except OSError:  # no such process, no right to enter its namespace, no diagnosis in this kernel
            return self._read_tables(pid)

    def ports(self, pid: int, wanted: dict[int, int]) -> set[int]:
        """The ports among `wanted` (inode to port) whose sockets the process holds."""
        found: set[int] = set()
        if not wanted:
            return found
        try:
            descriptors = os.listdir(f"{self._proc.root}/{pid}/fd")
        except OSError:
            return found
        for descriptor in descriptors:
            link = self._proc.maybe_link(pid, f"fd/{descriptor}")
            if link and (match := _SOCKET.fullmatch(link)) and (port := wanted.get(int(match[1]))):
                found.add(port)
        return found

    def _read_tables(self, pid: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for name in ("tcp", "tcp6"):
            try:
                with open(f"{self._proc.root}/{pid}/net/{name}", "rb", buffering=4096) as lines:
                    next(lines, None)  # the heading
                    for line in lines:
                        fields = line.split(None, 10)
                        if len(fields) < 10 or int(fields[3], 16) != _LISTEN:
                            break  # listening sockets are listed before all others
                        found[int(fields[9])] = int(fields[1].rpartition(b":")[2], 16)
            except OSError:
                continue
        return found


def _diagnose() -> dict[int, int]:
    """Inode and port of every listening socket of this thread's namespace. Raises OSError."""
    found: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        for family in (socket.AF_INET, socket.AF_INET6):
            ask = _ASK.pack(family, socket.IPPROTO_TCP, 0, 1 << _LISTEN)
            header = _HEADER.pack(_HEADER.size + len(ask), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, family, 0)
            kernel.sendto(header + ask, (0, 0))
            for answer in _answers(kernel):
                port, inode = _ANSWER.unpack_from(answer)
                found[inode] = int.from_bytes(port, "big")
    return found


def _answers(kernel: socket.socket) -> Iterator[memoryview]:
    """The bodies of a dump's messages, up to the one that ends it."""
    while True:
        data = memoryview(kernel.recv(_MOST_BYTES))
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            body = data[_HEADER.size : length]
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                error = -struct.unpack_from("=i", body)[0]
                raise OSError(error, os.strerror(error))
            yield body
            data = data[(length + 3) & ~3 :]


@contextmanager
def _namespace_of(path: str) -> Iterator[None]:
    """Moves this thread, and no other, into a network namespace, and back. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(other)
        finally:
            os.close(other)
        try:
            yield
        finally:
            enter(own)
    finally:
        os.close(own)
