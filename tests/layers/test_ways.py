"""Ways that packets take: other devices, several devices, merged, out of order."""

import json
import subprocess

import pytest

from tests.stage.deadline import wait_until
from tests.stage.namespaces import IPV4

from .conftest import set_offload
from .counters import Filter, set_queue
from .far import CLIENT, SERVER, request, response
from .tcp_info import tcp_info

pytestmark = pytest.mark.root

ADDRESSES = ("10.78.0.1", "10.78.0.2")


def interfaces(watched, port, side, count):
    """Names of interfaces in the records of one side: sent through, received through."""
    records = watched.records(port, side, count)
    return {(record["kernel"]["write"]["interface"], record["kernel"]["read"]["interface"]) for record in records}


def test_an_interface_has_the_name_of_its_namespace(far, hosts, watched):
    """The same interface numbers on both hosts, different names."""
    for number, name in ((SERVER, "wan0"), (CLIENT, "lan0")):
        hosts.ip(number, "link set dev eth0 down", f"link set dev eth0 name {name}", f"link set dev {name} up")
    connection = far()
    for _ in range(3):
        connection.exchange()
    assert interfaces(watched, connection.port, "server", 3) == {("wan0", "wan0")}
    assert interfaces(watched, connection.port, "client", 3) == {("lan0", "lan0")}


def bridge(hosts, number):
    """A bridge over the wire."""
    hosts.ip(number, "link add upper0 type bridge", "link set dev eth0 master upper0")


def vlan(hosts, number):
    """A VLAN on the wire."""
    hosts.ip(number, "link add link eth0 upper0 type vlan id 7")


def tunnel(hosts, number):
    """A VXLAN tunnel through the wire."""
    hosts.ip(number, f"link add upper0 type vxlan id 7 remote {IPV4[1 - number]} dstport 4789 dev eth0")


UPPER = [bridge, vlan, tunnel]


@pytest.mark.parametrize("upper", UPPER, ids=lambda upper: upper.__name__)
def test_an_interface_over_another_is_the_one_that_is_told(far, hosts, watched, upper):
    """The connection's address is on the upper interface, which is what IP sends through and receives from. What the
    wire adds to a packet (a tag, a tunnel's heads) is not the connection's; a packet that passes two devices is one."""
    for number in (SERVER, CLIENT):
        try:
            upper(hosts, number)
        except subprocess.CalledProcessError:
            pytest.skip(f"this kernel has no {upper.__name__}")
        hosts.ip(number, f"address add {ADDRESSES[number]}/24 dev upper0", "link set dev upper0 up")
    connection = far(address=ADDRESSES[SERVER])
    for size in (100, 1000, 100):
        connection.exchange(100, size)
    for side, end in (("server", connection.server), ("client", connection.client)):
        assert interfaces(watched, connection.port, side, 3) == {("upper0", "upper0")}
        written = watched.sums(connection.port, side, 3, "write")
        assert written["packets"] == tcp_info(end).data_segs_out
        assert watched.sums(connection.port, side, 3, "read")["packets"] == tcp_info(end).data_segs_in
        assert written["queue_entries"] >= written["packets"]


def test_merged_packets_are_counted_one_by_one(far, hosts, watched):
    """Exact: GRO merges what arrives at the client; netfilter there sees fewer packets than TCP counts segments."""
    connection = far()
    connection.exchange()
    set_offload(hosts, CLIENT, "on")
    hosts.run(CLIENT, "ethtool", "-K", "eth0", "tso", "off")
    table = Filter(hosts, CLIENT)
    table.chain("input")
    table.rules("input", [f"tcp sport {connection.port} counter"])
    for _ in range(20):
        connection.exchange(100, 14480)
    truth = tcp_info(connection.client)
    if table.counted("input").packets >= truth.data_segs_in - 1:
        pytest.skip("this kernel's veth merged nothing")
    read = watched.sums(connection.port, "client", 21, "read")
    assert read["packets"] == truth.data_segs_in
    assert read["bytes"] == 100 + 20 * 14480


def test_packets_out_of_order_are_told_like_others(far, hosts, watched, has_queue):
    """netem lets every other packet overtake. Each is counted once, also where the server sent it again in vain, taking
    it for lost: the copy is not read. Times are those of each packet, so their sum is at most what all would have
    taken, had each waited from the first byte to the last."""
    has_queue("netem")
    connection = far()
    connection.exchange()
    set_queue(hosts, SERVER, "netem", "delay", "10ms", "reorder", "50%", "limit", "100000")
    for _ in range(5):
        connection.exchange(100, 9 * 1448)
    hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")
    connection.exchange()
    if tcp_info(connection.client).rcv_ooopack == 0:
        pytest.skip("nothing was overtaken")
    read = watched.sums(connection.port, "client", 7, "read")
    assert read["packets"] == 1 + 5 * 9 + 1
    assert read["bytes"] == 200 + 5 * 9 * 1448
    for record in watched.records(connection.port, "client", 7):
        figures = record["kernel"]["read"]
        assert all(value >= 0 for value in figures.values() if isinstance(value, int)), json.dumps(figures)
        assert figures["queue_wait_ns"] <= max(1, figures["packets"]) * record["duration_ns"]


def test_a_packet_that_waits_for_an_earlier_one_waits_in_the_socket(far, hosts, watched):
    """The client's host refuses the first of five packets until the others are there and it has been sent again: they
    were in the socket's queue of the unordered, and each waited at least as long as the first was missing."""
    connection = far()
    connection.exchange()
    table = Filter(hosts, CLIENT)
    table.chain("prerouting")
    connection.ask(request(100))
    rule = f"tcp sport {connection.port} ip length 1500 counter"
    table.rules("prerouting", [f"{rule} limit rate over 1/hour burst 1 packets accept", f"{rule} drop"])
    connection.server.sendall(response(5 * 1448))
    wait_until(lambda: tcp_info(connection.client).rcv_ooopack >= 4, "packets out of order")
    table.clear("prerouting")
    got = b""
    while len(got) < 5 * 1448:
        got += connection.client.recv(1 << 16)
    connection.exchange()
    truth = tcp_info(connection.client)
    read = watched.sums(connection.port, "client", 3, "read")
    assert read["packets"] == truth.data_segs_in
