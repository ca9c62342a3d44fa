"""Two hosts on one machine: network namespaces joined by a veth pair, made for a test and removed after it."""

import ctypes
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IPV4 = ("10.77.0.1", "10.77.0.2")
IPV6 = ("fd77::1", "fd77::2")
MAC = ("02:00:00:00:77:01", "02:00:00:00:77:02")


class Hosts:
    """Two namespaces with the addresses IPV4, IPV6 and MAC, used with `with`. Needs root."""

    def __init__(self) -> None:
        self.names = tuple(f"rover-test-{os.getpid()}-{number}" for number in (1, 2))

    def __enter__(self) -> "Hosts":
        ends = [f"address {mac} netns {name}" for mac, name in zip(MAC, self.names, strict=True)]
        adding = [f"netns add {name}" for name in self.names]
        _ip([*adding, f"link add eth0 {ends[0]} type veth peer eth0 {ends[1]}"])
        for number in range(2):
            # Without nodad the address cannot be used for a second or two.
            addresses = [f"addr add {IPV4[number]}/24 dev eth0", f"addr add {IPV6[number]}/64 dev eth0 nodad"]
            self.ip(number, *addresses, "link set eth0 up", "link set lo up")
        return self

    def __exit__(self, *_: object) -> None:
        _ip([f"netns del {name}" for name in self.names])

    def inside(self, number: int) -> tuple[str, ...]:
        """Words that run a command in the first (0) or second (1) namespace."""
        return ("ip", "netns", "exec", self.names[number])

    def run(self, number: int, *words: str, text: str = "") -> str:
        """Run a command in a namespace, with `text` for it to read, and return what it printed."""
        command = [*self.inside(number), *words]
        return subprocess.run(command, check=True, input=text, stdout=subprocess.PIPE, text=True, timeout=60).stdout

    def ask(self, number: int, *words: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.run(number, *words))

    def set(self, number: int, name: str, value: int) -> None:
        """Set a value below /proc/sys/net of a namespace, for instance `ipv4/tcp_sack`."""
        with self.entered(number):
            Path("/proc/sys/net", name).write_text(str(value))

    @contextmanager
    def entered(self, number: int) -> Iterator[None]:
        """The calling thread is in a namespace while the block runs. Sockets that it makes meanwhile stay there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.names[number]}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def ip(self, number: int, *lines: str) -> None:
        """Run commands of `ip` in a namespace, all by one process."""
        _ip(lines, "-n", self.names[number])


def _ip(lines: Sequence[str], *options: str) -> None:
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines), text=True, check=True, timeout=60)


CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
