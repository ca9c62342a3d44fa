"""The judges judged: what TCP, the device, netfilter and the queue count must agree before rover is held against it."""

import pytest

from tests.stage.deadline import wait_until

from .counters import Filter, dropped_by_queue, of_namespace, sent_by_device, set_queue
from .far import CLIENT, HEAD_BYTES, SERVER, Far, request, response
from .tcp_info import tcp_info

pytestmark = pytest.mark.root


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_tcp_device_and_netfilter_count_the_same_packets(far, hosts, family):
    """Exact, from the handshake's end on. A segment without payload is as long as the heads of one with payload."""
    if family == "IPv4":  # IPv6 has solicitations and reports of its own on a young device
        hosts.set(SERVER, "ipv6/conf/eth0/disable_ipv6", 1)
    connection = far(family)
    table = Filter(hosts, SERVER)
    table.chain("postrouting")
    table.rules("postrouting", [f"tcp sport {connection.port} counter"])
    device, before = sent_by_device(hosts, SERVER), tcp_info(connection.server)
    for size in (100, 1448, 1449, 20000, 100):
        connection.exchange(100, size)
    after = tcp_info(connection.server)
    segments = after.segs_out - before.segs_out
    payload = after.bytes_sent - before.bytes_sent
    counted = table.counted("postrouting")
    assert payload == 100 + 1448 + 1449 + 20000 + 100
    assert counted.packets == segments
    assert counted.bytes == payload + segments * (HEAD_BYTES[family] - 14)
    if family == "IPv4":
        assert sent_by_device(hosts, SERVER).since(device) == (segments, payload + segments * HEAD_BYTES[family])
    assert after.data_segs_out == tcp_info(connection.client).data_segs_in


def test_tcp_and_the_namespace_count_the_same_retransmissions(far, hosts):
    """The client's host refuses the response until the server has sent it again."""
    connection = far()
    table = Filter(hosts, CLIENT)
    table.chain("prerouting")
    connection.exchange()
    table.rules("prerouting", [f"tcp sport {connection.port} counter drop"])
    connection.ask(request(100))
    connection.server.send(response(100))
    wait_until(lambda: tcp_info(connection.server).total_retrans >= 2, "two retransmissions")
    table.clear("prerouting")
    assert len(connection.client.recv(1000)) == 100
    assert tcp_info(connection.server).total_retrans == of_namespace(hosts, SERVER, "TcpRetransSegs")


def test_a_bounded_queue_tells_what_it_dropped(far, hosts, has_queue):
    """TCP counts a packet that its own queue refuses as sent, and sends it once more, which is no retransmission to it.
    What has left without arriving is what the queue dropped."""
    has_queue("tbf")
    connection = far()
    connection.exchange()
    set_queue(hosts, SERVER, "tbf", "rate", "20mbit", "burst", "1600", "limit", "3200")
    connection.exchange(100, 30000)
    sent, arrived = tcp_info(connection.server).data_segs_out, tcp_info(connection.client).data_segs_in
    assert dropped_by_queue(hosts, SERVER) == sent - arrived > 0


def test_a_connection_can_be_made_of_known_sizes():
    """The messages that the tests of layers send are as long as asked for."""
    assert [len(request(size)) for size in (40, 100, 2000, 2001, 70000)] == [40, 100, 2000, 2001, 70000]
    assert [len(response(size)) for size in (50, 1448, 100000)] == [50, 1448, 100000]


def test_the_hosts_of_a_connection_are_in_their_namespaces(far, hosts):
    """Both ends belong to this process, but no socket of either is seen from here."""
    connection: Far = far()
    for number, end in ((SERVER, connection.server), (CLIENT, connection.client)):
        listing = hosts.run(number, "ss", "-Htn", f"sport = :{end.getsockname()[1]}")
        assert str(connection.connection) in listing
