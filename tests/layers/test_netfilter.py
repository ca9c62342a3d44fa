"""Netfilter and address resolution: how often and for how long, where functions of the kernel can be hooked."""

import statistics

import pytest

from .counters import Filter
from .far import SERVER

pytestmark = pytest.mark.root

EXCHANGES = 20


def netfilter(watched, port, direction, first):
    """Sums of count, time and packets over the server's records from `first` on, EXCHANGES of them."""
    records = watched.records(port, "server", first + EXCHANGES)[first:]
    figures = [record["kernel"][direction] for record in records]
    return [sum(each[name] for each in figures) for name in ("netfilter_count", "netfilter_ns", "packets")]


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_each_packet_passes_the_chains_of_its_way(far, hosts, watched, needs, family):
    """Exact: with chains at both hooks of each way a packet with payload passes netfilter twice to go out and twice to
    come in. Without chains it passes as often as other modules have hooks: SELinux has one after routing."""
    needs("write", "netfilter_count")
    connection = far(family)
    for _ in range(EXCHANGES):
        connection.exchange()
    count, _, packets = netfilter(watched, connection.port, "write", 0)
    assert count in (0, packets, 2 * packets)
    table = Filter(hosts, SERVER)
    for hook in ("output", "postrouting", "prerouting", "input"):
        table.chain(hook)
        table.rules(hook, ["tcp dport 1 counter"])
    for _ in range(EXCHANGES):
        connection.exchange()
    for direction in ("write", "read"):
        count, _, packets = netfilter(watched, connection.port, direction, EXCHANGES)
        assert packets == EXCHANGES
        assert count == 2 * packets, direction


@pytest.mark.parametrize(("direction", "hook"), [("write", "output"), ("read", "input")])
def test_many_rules_take_their_time(far, hosts, watched, needs, direction, hook):
    """Rules that match nothing are tried one by one, so time grows with their number: 4000 take four times as long as
    1000. Half of the factor is given to what else a pass costs and to interrupts that fall into it; the median exchange
    leaves out what happened to some."""
    needs(direction, "netfilter_ns")
    connection = far()
    table = Filter(hosts, SERVER)
    table.chain(hook)
    times = []
    for number in (1000, 4000):
        table.clear(hook)
        table.rules(hook, ["tcp dport 1 counter"] * number)
        for _ in range(EXCHANGES):
            connection.exchange()
        records = watched.records(connection.port, "server", EXCHANGES * (len(times) + 1))[-EXCHANGES:]
        times.append(statistics.median(record["kernel"][direction]["netfilter_ns"] for record in records))
    assert 2 * times[0] < times[1] < 8 * times[0], times
    for record in watched.records(connection.port, "server", 2 * EXCHANGES):
        figures = record["kernel"][direction]
        assert figures["netfilter_ns"] <= figures["l3_ns"], figures


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_neighbour_that_must_be_asked_for_is_told(far, hosts, watched, needs, family):
    """Neighbours are known for good at first: no resolution, but for the first packet of all, which may fill a cache.
    When the server has forgotten the client, the response waits for an answer: one call that asks, and one that
    sends the packet on when the answer is there."""
    needs("write", "resolve_count")
    connection = far(family)
    connection.exchange()
    connection.exchange()
    client = connection.server.getpeername()[0]
    connection.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    hosts.ip(SERVER, f"neigh del {client} dev eth0")
    connection.answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    connection.exchange()
    written = [record["kernel"]["write"] for record in watched.records(connection.port, "server", 4)]
    assert written[1]["resolve_count"] == 0
    assert written[1]["resolve_ns"] == 0
    assert 1 <= written[2]["resolve_count"] <= 2
    assert written[2]["resolve_ns"] > 0
    asked = [record["kernel"]["write"]["resolve_count"] for record in watched.records(connection.port, "client", 4)]
    assert asked[1:] == [0, 0, 0]
