"""Packets and bytes: those of TCP's own count, which test_truth.py holds against the device's."""

import pytest

from tests.stage.deadline import wait_until

from .far import HEAD_BYTES, request, response, wait_readable
from .tcp_info import tcp_info

pytestmark = pytest.mark.root

SIZES = [(100, 100), (40, 1448), (1448, 1449), (20000, 100), (100, 100000), (5000, 5000), (100, 100)]
"""The last exchange is of single packets: what a window held back of the others is charged to it."""


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_packets_and_their_bytes_are_those_of_the_wire(far, watched, family):
    """Exact: packets with payload that each end sent and received, each with its heads; IPv6 equals IPv4."""
    connection = far(family)
    for sizes in SIZES:
        connection.exchange(*sizes)
    ends = {"server": tcp_info(connection.server), "client": tcp_info(connection.client)}
    for side, truth in ends.items():
        written = watched.sums(connection.port, side, len(SIZES), "write")
        read = watched.sums(connection.port, side, len(SIZES), "read")
        assert (written["packets"], read["packets"]) == (truth.data_segs_out, truth.data_segs_in), side
        sizes = [sum(pair[side == way] for pair in SIZES) for way in ("server", "client")]
        assert (written["bytes"], read["bytes"]) == tuple(sizes), side
        head = HEAD_BYTES[family]
        # Sent again: only where the test itself was stopped for 200 ms.
        assert written["packet_bytes"] == truth.bytes_sent + written["packets"] * head, side
        assert read["packet_bytes"] == read["bytes"] + read["packets"] * head, side


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_segments_of_a_large_packet_are_counted_one_by_one(far, watched, large_packets, family):
    """Exact: the device gets packets of up to 64 KB; TCP counts what they are cut into where there is a wire."""
    connection = far(family)
    for sizes in SIZES:
        connection.exchange(*sizes)
    for side, end in (("server", connection.server), ("client", connection.client)):
        truth = tcp_info(end)
        assert watched.sums(connection.port, side, len(SIZES), "write")["packets"] == truth.data_segs_out, side
        assert watched.sums(connection.port, side, len(SIZES), "read")["packets"] == truth.data_segs_in, side


def test_each_record_has_its_own_packets(far, watched):
    """Responses of one to nine packets, all within the first window: none waits for an acknowledgement."""
    connection = far()
    for number in range(1, 10):
        connection.exchange(100, 1448 * number)
    records = watched.records(connection.port, "server", 9)
    assert [record["kernel"]["write"]["packets"] for record in records] == list(range(1, 10))
    assert [record["kernel"]["read"]["packets"] for record in records] == [1] * 9
    assert {record["kernel"]["read"]["packet_bytes"] for record in records} == {100 + HEAD_BYTES["IPv4"]}


def test_one_packet_read_by_several_calls_is_one_packet(far, watched):
    """Ten reads of ten bytes each: ten operations, one packet, a hundred bytes."""
    connection = far()
    connection.client.sendall(request(100))
    wait_readable(connection.server)
    for _ in range(10):
        assert len(connection.server.recv(10)) == 10
    connection.answer(response(100))
    (record,) = watched.records(connection.port, "server", 1)
    read = record["kernel"]["read"]
    assert (read["operations"], read["packets"], read["bytes"]) == (10, 1, 100)
    assert read["packet_bytes"] == 100 + HEAD_BYTES["IPv4"]


def test_several_packets_read_by_one_call_are_all_its_own(far, watched):
    """A response of five packets waits until it is complete, then one call reads it."""
    connection = far()
    connection.ask(request(100))
    connection.server.sendall(response(5 * 1448))
    wait_until(lambda: tcp_info(connection.client).data_segs_in == 5, "five packets")
    assert len(connection.client.recv(1 << 16)) == 5 * 1448
    (record,) = watched.records(connection.port, "client", 1)
    read = record["kernel"]["read"]
    assert (read["operations"], read["packets"], read["bytes"]) == (1, 5, 5 * 1448)
