"""Go net/http, grpc-go and Node http2, each as server and as client: the server's log is the truth for both sides."""

import subprocess
from collections import Counter
from dataclasses import replace

import pytest

from tests.http2.conftest import PROGRAMS, Logged, call_with_grpc_core, running, told_by_grpc
from tests.stage.clients import visit_with_curl
from tests.stage.exchange import ANY, Exchange
from tests.stage.judge import BOTH
from tests.stage.ports import wait_listening

pytestmark = [pytest.mark.root, pytest.mark.slow]

VISITS = [
    *("GET:/plain?a=1:0", "GET:/pieces:0", "GET:/large:0", "GET:/none:0", "GET:/missing:0", "GET:/hints:0"),
    *("GET:/trailers:0", "POST:/echo:10", "PUT:/echo:300000", "POST:/echo:0", "HEAD:/plain:0"),
]


def told_by_log(line):
    return Exchange(
        line["method"],
        line["target"].partition("?")[0],
        line["status"],
        line["request_body"],
        line["response_body"],
        protocol="HTTP/2" if line["protocol"] == "HTTP/2.0" else line["protocol"],
        interim=(103,) if line["target"] == "/hints" else (),
        connection=line["connection"],
        stream=line.get("stream", ANY),
    )


@pytest.fixture(params=["go", "node"])
def server(request, ports, tmp_path, program, go_server):
    """A running server of the language."""
    port, log = ports.pop(), tmp_path / "server.log"
    before = [go_server()] if request.param == "go" else [program("node"), PROGRAMS / "node_server.js"]
    with running([*before, str(port), log]):
        wait_listening(port)
        yield Logged(port, log, told_by_log)


@pytest.fixture(params=["go", "node"])
def client(request, program, go_program):
    """Runs a client of the language; what it printed, each visit as a tuple."""

    def visit(port, times):
        base = f"http://127.0.0.1:{port}"
        before = (
            [go_program("client"), base, str(times), "16"]
            if request.param == "go"
            else [program("node"), PROGRAMS / "node_client.js", base, str(times)]
        )
        done = subprocess.run([*before, *VISITS], check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        return Counter(tuple(line.split()) for line in done.stdout.splitlines())

    return visit


def test_every_server_and_client_are_told_as_they_log(judge, server, client):
    """All visits, many at a time on one connection; both ends agree on what happened, and rover with both."""
    told = client(server.port, 20)
    truth = server.truth(20 * len(VISITS))
    assert told == Counter((e.method, e.path + "?a=1" * (e.path == "/plain" and e.method == "GET"), str(e.status),
                            str(e.response_body)) for e in truth)  # fmt: skip
    judge.require(server.port, truth, seconds=20)


def test_curl_is_told_as_it_counted(judge, server):
    """curl's count of bytes per URL is a second judge."""
    base = f"http://127.0.0.1:{server.port}"
    paths = ("/plain", "/pieces", "/hints", "/trailers", "/large")
    seen = [each for path in paths for each in visit_with_curl([base + path], "--http2-prior-knowledge")]
    truth = server.truth(len(seen))
    assert [(each.connection, each.status, each.response_body) for each in truth] == seen
    # curl closes once it has as many bytes as Content-Length said. What ends the stream may be in a frame of its own,
    # which curl leaves unread or the server does not even send; that of /large is.
    judge.require(server.port, truth, excused=frozenset({"reset", "truncated"}))
    for side in BOTH:
        cut = [record["path"] for record in judge.records(server.port, side) if record["flags"]]
        assert set(cut) <= {"/large"} | ({"/plain"} if side == "client" else set()), (side, cut)


def test_a_response_whose_end_was_never_sent_is_truncated(judge, ports, tmp_path, go_server):
    """All that Content-Length announced is there, and curl closes: the server never ends the stream."""
    port, log = ports.pop(), tmp_path / "server.log"
    with running([go_server(), str(port), log]):
        wait_listening(port)
        seen = visit_with_curl([f"http://127.0.0.1:{port}/left"], "--http2-prior-knowledge")
        truth = Logged(port, log, told_by_log).truth(1)
        assert [(each.connection, each.status, each.response_body) for each in truth] == seen
        judge.require(port, [replace(each, flags=frozenset({"truncated"})) for each in truth])


def test_curl_asks_for_an_upgrade_in_vain(judge, ports, tmp_path, go_server):
    """`--http2` sends `Upgrade: h2c`, which Go's server leaves alone: what follows is HTTP/1.1."""
    port, log = ports.pop(), tmp_path / "server.log"
    with running([go_server(), str(port), log]):
        wait_listening(port)
        visit_with_curl([f"http://127.0.0.1:{port}{path}" for path in ("/plain", "/large", "/plain")], "--http2")
        truth = Logged(port, log, told_by_log).truth(3)
    assert {each.protocol for each in truth} == {"HTTP/1.1"}
    judge.require(port, truth)


@pytest.fixture
def grpc_go(ports, tmp_path, go_program):
    """The gRPC server on grpc-go."""
    port, log = ports.pop(), tmp_path / "grpc-go.log"
    with running([go_program("grpcserver"), str(port), log]):
        wait_listening(port)
        yield Logged(port, log, told_by_grpc)


KINDS = [
    pytest.param("Unary", 1, 100, marks=pytest.mark.slow),
    pytest.param("ClientStream", 5, 100, marks=pytest.mark.slow),
    pytest.param("ServerStream", 5, 0, marks=pytest.mark.slow),
    ("Bidi", 5, 100),
]


@pytest.mark.parametrize(("method", "messages", "size"), KINDS)
def test_a_thousand_calls_between_go_and_go_are_told(judge, grpc_go, go_program, method, messages, size):
    command = [go_program("grpcclient"), str(grpc_go.port), method, "1000", str(messages), str(size), "8"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    answers = 1 if method in ("Unary", "ClientStream") else messages
    assert done.stdout.splitlines() == [f"0 {answers}"] * 1000
    truth = grpc_go.truth(1000)
    judge.require(grpc_go.port, truth, seconds=20)


def test_grpc_core_calls_grpc_go_and_the_other_way_round(judge, grpc_go, grpc_core, go_program):
    """Streams of both, errors, cancelled calls, messages larger than a frame."""
    calls = [("Unary", 1, 30_000), ("Bidi", 5, 30_000), ("Refuse", 7, 0), ("Break", 9, 0), ("Hang", 0, 0)]
    for method, messages, size in calls:
        told = Counter(call_with_grpc_core(grpc_go.port, method, 20, messages, size))
        command = [go_program("grpcclient"), str(grpc_core.port), method, "20", str(messages), str(size), "8"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        assert told == Counter(tuple(map(int, line.split())) for line in done.stdout.splitlines())
    for server in (grpc_go, grpc_core):
        judge.require(server.port, server.truth(100), seconds=20)


@pytest.mark.slow
def test_messages_of_all_sizes_are_counted_with_go(judge, grpc_go, go_program):
    """grpc-go writes heads and content of many streams in one operation."""
    for size in (0, 1, 20_000, 3_000_000):
        for method in ("Unary", "ClientStream", "Bidi"):
            command = [go_program("grpcclient"), str(grpc_go.port), method, "6", "3", str(size), "3"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    judge.require(grpc_go.port, grpc_go.truth(72), seconds=20)
