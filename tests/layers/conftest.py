"""Fixtures of the tests of layers: two hosts, a rover that watches, connections between the hosts."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stage.namespaces import IPV4, IPV6, MAC, Hosts
from tests.stage.ports import free_port
from tests.stage.rover import EXECUTABLE, Record, Rover, unexplained
from tests.stage.soundness import faults

from .far import CLIENT, SERVER, Far
from .filled import filled, is_attached

SECONDS = 60.0
"""Deadlines are long: an emulated kernel is slow."""

PORTS = 96
"""One rover watches them all, since its start takes ten seconds in a guest; each connection takes a fresh one."""


@functools.cache
def finding() -> dict[str, Any]:
    """What `rover doctor` tells here; the attach mode is in the environment."""
    done = subprocess.run([EXECUTABLE, "doctor", "--json"], stdout=subprocess.PIPE, text=True, timeout=SECONDS)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def doctor() -> dict[str, Any]:
    """What `rover doctor` tells here."""
    return finding()


class Watched:
    """A rover that watches, and what is to be asked of its records."""

    def __init__(self, rover: Rover) -> None:
        self.rover = rover

    def records(self, port: int, side: str, count: int) -> list[Record]:
        """The records of one side, which must be `count`, each sound."""
        found = self.rover.records_of(port, side)
        self.rover.wait_for(lambda: len(found) >= count, SECONDS)
        assert len(found) == count, f"{len(found)} records of the {side}'s side"
        assert not {fault for record in found for fault in faults(record)}
        return list(found)

    def sums(self, port: int, side: str, count: int, direction: str) -> dict[str, int]:
        """Each number of `kernel.write` or `kernel.read`, summed over the records."""
        totals: dict[str, int] = {}
        for record in self.records(port, side, count):
            for name, value in record["kernel"][direction].items():
                if isinstance(value, int):
                    totals[name] = totals.get(name, 0) + value
        return totals


@pytest.fixture(scope="session")
def ports() -> list[int]:
    """Ports that rover watches, to be taken from with `pop`."""
    return [free_port() for _ in range(PORTS)]


@pytest.fixture(scope="session")
def watched(ports: list[int]) -> Iterator[Watched]:
    """A rover over the ports. Its ledger must balance in the end."""
    if not is_attached(finding(), "net_dev_start_xmit"):
        pytest.skip("rover has no hooks below the socket here")
    filters = [word for port in ports for word in ("--port", str(port))]
    with Rover("--query", "keep", *filters) as rover:
        yield Watched(rover)
        ledger = rover.stop(SECONDS)
    assert unexplained(ledger) == 0, ledger


@pytest.fixture
def needs() -> Callable[..., None]:
    """`needs("write", "l3_ns")` skips the test where this figure is not to be had."""

    def check(direction: str, *names: str) -> None:
        lacking = sorted(set(names) - filled(finding(), direction))
        if lacking:
            pytest.skip(f"no {', '.join(lacking)} in this mode on this kernel")

    return check


QUIET = ("ipv4/tcp_sack", "ipv4/tcp_early_retrans")
"""Turned off, so that heads have one length, and that nothing is sent again because a busy machine was late: tail loss
probes come after milliseconds, retransmissions by time after 200 ms."""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Two hosts where every layer sees the packets of the wire: nothing is segmented late or merged early, and nobody
    has to be asked for an address."""
    with Hosts() as hosts:
        for number in (SERVER, CLIENT):
            set_offload(hosts, number, "off")
            # TCP makes large packets even for a device that does not segment; this stops it.
            one_by_one = "link set dev eth0 gso_max_segs 1"
            other = 1 - number
            known = [f"neigh replace {of[other]} lladdr {MAC[other]} dev eth0 nud permanent" for of in (IPV4, IPV6)]
            hosts.ip(number, one_by_one, *known)
            for name in QUIET:
                hosts.set(number, name, 0)
        yield hosts


@pytest.fixture
def large_packets(hosts: Hosts) -> None:
    """Gives the hosts their usual way back: TCP makes packets of up to 64 KB and nobody on this wire cuts them."""
    for number in (SERVER, CLIENT):
        set_offload(hosts, number, "on")
        hosts.ip(number, "link set dev eth0 gso_max_segs 65535")


def set_offload(hosts: Hosts, number: int, state: str) -> None:
    """Segmentation and merging of packets by the (virtual) device on or off."""
    if shutil.which("ethtool") is None and "CI" not in os.environ:
        pytest.skip("ethtool is not installed")
    switches = [word for name in ("tso", "gso", "gro") for word in (name, state)]
    hosts.run(number, "ethtool", "-K", "eth0", *switches)


@pytest.fixture
def far(hosts: Hosts, ports: list[int]) -> Iterator[Callable[..., Far]]:
    """Opens connections between the hosts: `far(family="IPv4", …)`, each to a port of its own."""
    opened: list[Far] = []

    def open_one(family: str = "IPv4", **more: Any) -> Far:
        opened.append(Far(hosts, ports.pop(), family, **more))
        return opened[-1]

    yield open_one
    for each in opened:
        each.client.close()
        each.server.close()


@pytest.fixture
def has_queue(hosts: Hosts) -> Callable[[str], None]:
    """`has_queue("netem")` skips the test where the kernel has no such queue discipline."""

    def check(kind: str) -> None:
        words = {"netem": ["delay", "1ms"], "tbf": ["rate", "1mbit", "burst", "2k", "latency", "1s"]}.get(kind, [])
        command = [*hosts.inside(SERVER), "tc", "qdisc", "add", "dev", "eth0", "root", kind, *words]
        if subprocess.run(command, stderr=subprocess.DEVNULL, timeout=SECONDS).returncode:
            pytest.skip(f"this kernel has no {kind}")
        hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")

    return check
