"""The draining receiver counts what an independent gRPC client sends."""

import subprocess
import sys

import grpc
import pytest

from bench.receiver import ACCESS_LOG, Messages
from bench.results import Figure
from tests.stage.ports import free_port, wait_listening

NODE = b"\x0a\x03abc"
KERNEL_LOG = b"\x1a\xac\x02" + b"k" * 300
PROTOCOL_LOG = b"\x22\x02hi"


def as_is(data):
    return data


def test_a_stream_by_grpcio_is_drained_and_its_exchanges_counted(tmp_path):
    """More than any window by default, so that it must be given back; the unary calls of an agent get an answer."""
    port, count = free_port(), tmp_path / "count"
    with subprocess.Popen([sys.executable, "-m", "bench.receiver", str(port), str(count)]) as receiver:
        wait_listening(port)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            keep_alive = channel.unary_unary("/skywalking.v3.EBPFProcessService/keepAlive", as_is, as_is)
            assert keep_alive(b"", timeout=10) == b""
            collect = channel.stream_unary(ACCESS_LOG.decode(), as_is, as_is)
            messages = (NODE + KERNEL_LOG + (PROTOCOL_LOG if number % 2 else b"") for number in range(2000))
            assert collect(messages, timeout=30) == b""
        receiver.terminate()
        receiver.wait(10)
    assert count.read_text() == "1000"


@pytest.mark.parametrize("piece", [1, 2, 5, 7, 1000])
def test_messages_are_counted_wherever_the_stream_is_cut(piece):
    """Frames of HTTP/2 and messages of gRPC have nothing to do with each other."""
    message = NODE + KERNEL_LOG + PROTOCOL_LOG
    stream = (b"\0" + len(message).to_bytes(4) + message) * 5
    messages = Messages()
    for start in range(0, len(stream), piece):
        messages.take(stream[start : start + piece])
    assert messages.exchanges == 5


@pytest.mark.parametrize(
    ("value", "is_least", "verdict"),
    [(1.0, False, "ok"), (1.1, False, "MISSED"), (0.9, True, "MISSED"), (1.0, True, "ok")],
)
def test_a_figure_knows_whether_it_holds_its_limit(value, is_least, verdict):
    assert Figure(1, "name", value, "", limit=1.0, is_least=is_least).verdict == verdict
