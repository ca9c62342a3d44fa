"""grpcio (grpc-core) as server and as client: the server's log is the truth, the client's list a second one."""

import subprocess
import sys
from collections import Counter

import pytest

from tests.http2.conftest import PROGRAMS, call_with_grpc_core, running
from tests.stage.ports import wait_listening
from tests.stage.rover import Rover, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]


def require_calls(judge, server, count, **more):
    """The records are the calls of the log; each side tells its own connection."""
    truth = server.truth(count)
    assert len(truth) == count
    judge.require(server.port, truth, **more)
    return truth


@pytest.mark.parametrize(
    ("method", "messages", "size"),
    [("Unary", 1, 100), ("ClientStream", 5, 100), ("ServerStream", 5, 0), ("Bidi", 5, 100)],
)
def test_a_thousand_calls_of_each_kind_are_told(judge, grpc_core, method, messages, size):
    """Service, method, status, and the messages of both directions (RFC 9113 and the gRPC protocol over it)."""
    told = call_with_grpc_core(grpc_core.port, method, 1000, messages, size)
    answers = 1 if method in ("Unary", "ClientStream") else messages
    assert told == [(0, answers)] * 1000
    require_calls(judge, grpc_core, 1000, seconds=30)


@pytest.mark.parametrize("size", [0, 1, 20_000, 3_000_000])
def test_messages_of_all_sizes_are_counted(judge, grpc_core, size):
    """Smaller than a frame, larger than one, larger than what is copied of an operation."""
    for method in ("Unary", "ClientStream", "Bidi"):
        assert call_with_grpc_core(grpc_core.port, method, 3, 3, size, 1)
    require_calls(judge, grpc_core, 9)


@pytest.mark.parametrize("status", [3, 5, 7, 12, 13, 14, 16])
def test_errors_come_by_trailers_and_by_trailers_only(judge, grpc_core, status):
    """The HTTP status is 200 in both; grpc-status says what went wrong."""
    told = call_with_grpc_core(grpc_core.port, "Refuse", 10, status, 0)
    told += call_with_grpc_core(grpc_core.port, "Break", 10, status, 0)
    assert Counter(each[0] for each in told) == {status: 20}
    truth = require_calls(judge, grpc_core, 20)
    assert Counter(each.grpc.status for each in truth) == {status: 20}


def test_a_cancelled_call_is_reset(judge, grpc_core):
    """RST_STREAM by the client before any answer."""
    assert call_with_grpc_core(grpc_core.port, "Hang", 20, 0, 0) == [(1, 0)] * 20
    require_calls(judge, grpc_core, 20)


def test_a_long_stream_is_told_while_it_lasts(ports, tmp_path):
    """Each interval a record `unfinished`, under the id of the one that completes it."""
    port, log = ports.pop(), tmp_path / "log"
    environment = {"ROVER_CAPTURE_UNFINISHED_SECONDS": "1"}
    client = [sys.executable, PROGRAMS / "grpc_client.py", str(port), "stream"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with (
        Rover("--port", str(port), environment=environment) as rover,
        running([sys.executable, PROGRAMS / "grpc_server.py", str(port), log]),
    ):
        wait_listening(port)
        server, asking = rover.records_of(port, "server"), rover.records_of(port, "client")
        with running(client, **pipes) as talking:
            for number in (1, 2):
                talking.stdin.write(f"{number}\n")
                assert talking.stdout.readline() == f"{number}\n"
                assert rover.wait_for(lambda n=number: len(server) >= n and len(asking) >= n)
            talking.stdin.close()
            assert talking.wait(10) == 0
        assert rover.wait_for(lambda: all("unfinished" not in side[-1]["flags"] for side in (server, asking)))
        for side in (server, asking):
            *unfinished, last = side
            assert len({each["id"] for each in side}) == 1
            assert all(each["flags"] == ["unfinished"] and each["grpc"]["method"] == "Bidi" for each in unfinished)
            assert all(each["grpc"]["status"] is None and each["duration_ns"] is None for each in unfinished)
            assert last["flags"] == []
            counts = [last["grpc"][name] for name in ("status", "request_messages", "response_messages")]
            assert counts == [0, 2, 2]
            assert last["end_ns"] - last["start_ns"] == last["duration_ns"] > 1_000_000_000
            sent = [each["request"]["bytes"] for each in side]
            assert sent == sorted(sent)
            assert sent[0] < sent[-1]
        assert unexplained(rover.stop()) == 0
