"""Packets that are sent again or thrown away: as TCP, the namespace and the queue count them."""

import pytest

from tests.stage.deadline import wait_until

from .counters import Filter, dropped_by_queue, of_namespace, set_queue
from .far import CLIENT, SERVER, request, response
from .tcp_info import tcp_info

pytestmark = pytest.mark.root


def drops_of(records):
    """Drops by reason over records."""
    found = {}
    for record in records:
        for drop in record["kernel"]["write"].get("drops", ()):
            found[drop["reason"]] = found.get(drop["reason"], 0) + drop["count"]
    return found


def require_packets(written, truth):
    """As many packets as TCP counts; short by some that were sent again, at most, see docs/layers.md."""
    assert truth.data_segs_out - truth.total_retrans <= written["packets"] <= truth.data_segs_out


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_retransmissions_are_those_that_tcp_counts(far, hosts, watched, family):
    """Exact, but for packets. The client's host refuses the response until it has been sent twice more; a last exchange
    takes what was sent after the operation was over."""
    connection = far(family)
    table = Filter(hosts, CLIENT)
    table.chain("prerouting")
    connection.exchange()
    table.rules("prerouting", [f"tcp sport {connection.port} counter drop"])
    connection.ask(request(100))
    connection.server.send(response(100))
    wait_until(lambda: tcp_info(connection.server).total_retrans >= 2, "two retransmissions")
    table.clear("prerouting")
    assert len(connection.client.recv(1000)) == 100
    connection.exchange()
    truth = tcp_info(connection.server)
    written = watched.sums(connection.port, "server", 3, "write")
    assert written["retransmits"] == truth.total_retrans == of_namespace(hosts, SERVER, "TcpRetransSegs")
    require_packets(written, truth)
    # The rule took acknowledgements of the request away as well.
    again = watched.sums(connection.port, "client", 3, "write")["retransmits"]
    assert again == tcp_info(connection.client).total_retrans == of_namespace(hosts, CLIENT, "TcpRetransSegs")


def test_retransmissions_on_a_wire_that_loses_packets(far, hosts, watched, has_queue):
    """Exact, but for packets: netem loses a fifth of what the server sends; each loss that TCP mends is sent again, and
    each is charged to this connection by its last exchange, for which nothing is lost any more."""
    has_queue("netem")
    connection = far()
    connection.exchange()
    set_queue(hosts, SERVER, "netem", "loss", "20%", "limit", "100000")
    for _ in range(10):
        connection.exchange(100, 20000)
    hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")
    connection.exchange()
    truth = tcp_info(connection.server)
    assert truth.total_retrans > 0
    written = watched.sums(connection.port, "server", 12, "write")
    assert written["retransmits"] == truth.total_retrans == of_namespace(hosts, SERVER, "TcpRetransSegs")
    require_packets(written, truth)


def test_what_the_queue_throws_away_is_told_with_its_reason(far, hosts, watched, has_queue):
    """Exact: tbf counts what it refuses for lack of room."""
    has_queue("tbf")
    # The queue would count what IPv6 says of itself in a host's first seconds.
    hosts.set(SERVER, "ipv6/conf/eth0/disable_ipv6", 1)
    connection = far()
    connection.exchange()
    set_queue(hosts, SERVER, "tbf", "rate", "20mbit", "burst", "1600", "limit", "3200")
    connection.exchange(100, 30000)
    dropped = dropped_by_queue(hosts, SERVER)
    hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")
    connection.exchange()
    records = watched.records(connection.port, "server", 3)
    assert dropped > 0
    assert drops_of(records) == {"QDISC_DROP": dropped}
    locations = {drop["location"] for record in records for drop in record["kernel"]["write"].get("drops", ())}
    assert locations
    assert all("+0x" in each or each.isidentifier() for each in locations), locations
    assert drops_of(watched.records(connection.port, "client", 3)) == {}


def test_what_netfilter_throws_away_is_told_with_its_reason(far, hosts, watched):
    """Exact: the rule counts what it drops on its way out of the server."""
    connection = far()
    table = Filter(hosts, SERVER)
    table.chain("output")
    connection.exchange()
    table.rules("output", [f"tcp sport {connection.port} counter drop"])
    connection.ask(request(100))
    connection.server.send(response(100))
    wait_until(lambda: table.counted("output").packets >= 2, "two packets thrown away")
    table.pass_all("output")
    dropped = table.counted("output").packets
    assert len(connection.client.recv(1000)) == 100
    connection.exchange()
    assert drops_of(watched.records(connection.port, "server", 3)) == {"NETFILTER_DROP": dropped}
