"""Waiting: in the device's queue, in the socket's queue, on the wire. The truth is a stopwatch and what tc was told."""

import os
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage.deadline import wait_until

from .counters import set_queue
from .far import CLIENT, HEAD_BYTES, SERVER, request, response, send_all_that_fits, stopwatch, wait_readable
from .tcp_info import tcp_info

pytestmark = pytest.mark.root

MS = 1_000_000
BUFFER = 65536


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_reader_that_sleeps_lets_the_packet_wait_in_the_socket(far, watched, family):
    """At least as long as from its being readable to the read's begin, at most from its being sent to the read's end:
    no tolerance is needed, for both are stopwatches of the test."""
    connection = far(family)
    connection.exchange()
    with stopwatch() as most:
        connection.client.sendall(request(100))
        wait_readable(connection.server)
        with stopwatch() as least:
            sleep_ms(30)
        assert len(connection.server.recv(1000)) == 100
    connection.answer(response(100))
    records = watched.records(connection.port, "server", 2)
    assert least.ns <= records[1]["kernel"]["read"]["queue_wait_ns"] <= most.ns
    assert records[1]["kernel"]["read"]["l2_to_queue_ns"] <= most.ns - least.ns


def test_each_packet_waits_for_itself(far, watched):
    """Five packets wait together: the sum is five times the sleep, each packet within the two stopwatches."""
    connection = far()
    connection.exchange()
    connection.ask(request(100))
    with stopwatch() as most:
        connection.server.sendall(response(5 * 1448))
        wait_until(lambda: tcp_info(connection.client).data_segs_in == 6, "five packets")
        with stopwatch() as least:
            sleep_ms(20)
        assert len(connection.client.recv(1 << 16)) == 5 * 1448
    read = watched.records(connection.port, "client", 2)[1]["kernel"]["read"]
    assert read["packets"] == 5
    assert 5 * least.ns <= read["queue_wait_ns"] <= 5 * most.ns


def test_a_send_that_finds_no_room_waits_for_the_reader(far, watched, needs):
    """The server fills both sockets' buffers, then sends a little more in a call that blocks before its first byte,
    until the client reads. All its sends take at least the client's sleep, which begins when the server's thread is
    seen asleep in that call, and at most the stopwatch around them. The others never wait."""
    needs("write", "syscall_ns")
    connection = far()
    connection.exchange()
    connection.ask(request(100))
    connection.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    left = memoryview(response(20 * BUFFER))
    with stopwatch() as most:
        sent = fill(connection.server, left)
        with a_thread_that(lambda: write_at_once(connection.server, left[sent : sent + 1000])) as thread:
            wait_until(lambda: waits_in_write(thread), "the server's thread to block")
            with stopwatch() as least:
                sleep_ms(100)
            read_all(connection.client, sent + 1000)
        left = left[sent + 1000 :]
        while left:
            sent = send_all_that_fits(connection.server, left)
            read_all(connection.client, sent)
            left = left[sent:]
    connection.exchange()
    written = watched.records(connection.port, "server", 3)[1]["kernel"]["write"]
    assert least.ns <= written["syscall_ns"] <= most.ns


@pytest.mark.parametrize(
    ("words", "burst"),
    [
        (["tbf", "rate", "500kbit", "burst", "1600", "limit", "100000"], 1600),
        # Below 550 kbit/s fq grants no burst, but for the first packet.
        (["fq", "maxrate", "500kbit"], 1448 + HEAD_BYTES["IPv4"]),
    ],
    ids=["tbf", "fq"],
)
def test_a_queue_that_holds_packets_makes_them_wait_to_be_sent(far, hosts, watched, has_queue, words, burst):
    """Nine packets, within TCP's first window, go to the queue at once; where TCP holds some back until others have
    left (small queues: on a slow machine three), again on another connection. The i-th leaves when i of them passed at
    its rate, less its burst, which arithmetic tells and the queue guarantees. The sum is not less, but for what the
    test measures (each packet came to the queue within the time of the write) and for 0.1 %, since the queues' clocks
    tick in 64 ns. It may be more, for timers fire late on a busy machine: no packet waited longer than the client
    for all. Packets leave after their operation is over, so their waits are told with the next one: a last exchange,
    without the queue, completes them."""
    has_queue(words[0])
    packets, size, rate_bits = 9, 1448, 500_000
    for _ in range(5):
        connection = far()
        connection.exchange()
        connection.ask(request(100))
        set_queue(hosts, SERVER, *words)
        with stopwatch() as waited:
            with stopwatch() as writing:
                connection.server.sendall(response(packets * size))
            read_all(connection.client, packets * size)
        hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")
        connection.exchange()
        if watched.records(connection.port, "server", 3)[1]["kernel"]["write"]["queue_entries"] == packets:
            break
    else:
        pytest.fail("TCP never gave the queue all packets at once")
    written = watched.sums(connection.port, "server", 3, "write")
    on_wire = size + HEAD_BYTES["IPv4"]
    least = sum(8 * max(0, number * on_wire - burst) * 10**9 // rate_bits for number in range(1, packets + 1))
    assert 0.999 * least - packets * writing.ns <= written["l2_ready_ns"] <= packets * waited.ns
    assert written["packets"] == packets + 2


def test_each_packet_waits_its_delay(far, hosts, watched, has_queue):
    """netem holds each packet for 20 ms, or less one tick (4 ms) of the kernel's timer; at most as long as the client
    waited, in all."""
    has_queue("netem")
    connection = far()
    connection.exchange()
    set_queue(hosts, SERVER, "netem", "delay", "20ms")
    waited = sum(answered_ns(connection, 1400) for _ in range(6))
    hosts.run(SERVER, "tc", "qdisc", "del", "dev", "eth0", "root")
    waited += answered_ns(connection, 1400)
    held = watched.sums(connection.port, "server", 8, "write")["l2_ready_ns"]
    assert 6 * 16 * MS <= held <= waited


def read_all(end, size):
    """Read until `size` bytes have come."""
    while size:
        size -= len(end.recv(1 << 16))


@contextmanager
def a_thread_that(acts):
    """Runs `acts` beside the block; it must be over soon after it."""
    thread = threading.Thread(target=acts)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def fill(end, data):
    """Send until there is no room and none comes any more: an acknowledgement is held back for 200 ms at most and
    takes what it acknowledges out of the buffer. How many bytes that was."""
    sent = more = send_all_that_fits(end, data)
    while more:
        sleep_ms(250)
        more = send_all_that_fits(end, data[sent:])
        sent += more
    assert sent < len(data) - 1000
    return sent


def write_at_once(end, data):
    """One call that returns when all is taken: sockets with a timeout would make it several."""
    end.setblocking(True)
    assert os.write(end.fileno(), data) == len(data)
    end.settimeout(20)


def waits_in_write(thread):
    """Whether the thread sleeps in write(2), number 1 on x86-64: what runs has no number there."""
    return Path(f"/proc/self/task/{thread.native_id}/syscall").read_text().startswith("1 ")


def answered_ns(connection, size):
    """What the client waited for a response, from the begin of its writing to the end of its reading."""
    connection.ask(request(100))
    with stopwatch() as waiting:
        connection.answer(response(size))
    return waiting.ns


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_long_wire_shows_in_handshake_and_round_trip(far, hosts, watched, has_queue, family):
    """netem delays both ways by 20 ms. A handshake takes both delays, and no longer than connect() did, or than the
    server's end took to be there. The smoothed round trip is none of its samples, so not below TCP's minimum of
    them, and not above the longest exchange. 4 ms: netem's timer may be one tick early."""
    has_queue("netem")
    for number in (SERVER, CLIENT):
        set_queue(hosts, number, "netem", "delay", "20ms")
    with stopwatch() as opening:
        connection = far(family)
    slowest = opening.ns
    for _ in range(3):
        with stopwatch() as one:
            connection.exchange()
        slowest = max(slowest, one.ns)
    told = {side: watched.records(connection.port, side, 3)[-1]["connection"] for side in ("client", "server")}
    assert 36 * MS <= told["client"]["handshake_ns"] <= connection.connecting.ns
    assert 36 * MS <= told["server"]["handshake_ns"] <= opening.ns
    for side, end in (("client", connection.client), ("server", connection.server)):
        least = 1000 * tcp_info(end).min_rtt
        assert least >= 36 * MS
        assert least <= told[side]["rtt_ns"] <= slowest, side


def sleep_ms(milliseconds: int) -> None:
    """What is measured: the application is busy with something else."""
    time.sleep(milliseconds / 1000)
