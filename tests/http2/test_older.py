"""Connections that are older than rover: every exchange after the start is a record, and what it says is true or null.

HPACK's table of such a connection is not known (RFC 7541 §2.3.2): what was put into it before the start is null and
flagged `hpack_partial`, what is sent again or as a literal is there. How large the share with all of method, path and
status is depends on the client and on what it asked before; it is printed."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.http2.conftest import PROGRAMS, Logged, running, told_by_grpc
from tests.http2.test_languages import told_by_log
from tests.stage.nginx import Nginx
from tests.stage.ports import wait_listening
from tests.stage.rover import Rover, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]

BEFORE = ["GET:/plain?a=1:0", "GET:/none:0", "POST:/echo:10"]
AFTER = ["GET:/plain?a=1:0", "GET:/missing:0", "GET:/none:0", "PUT:/echo:30000", "GET:/pieces:0", "POST:/echo:10"] * 10
CALLS_BEFORE = ["Unary 1 10", "Bidi 3 10"]
CALLS_AFTER = ["Unary 1 10", "Refuse 5 0", "Bidi 3 10", "Break 7 0", "ServerStream 4 0", "ClientStream 2 9"] * 10


@contextmanager
def late_rover(port):
    """rover, started when the connection stands; when it has ended its ledger must balance."""
    with Rover("--port", str(port)) as rover:
        yield rover
        ledger = rover.stop()
    assert unexplained(ledger) == 0, ledger


def require_true_or_null(rover, port, truth, name):
    """As many records as exchanges on both sides, each value the truth or null; prints the share that has all."""
    for side in ("server", "client"):
        told = rover.records_of(port, side)
        rover.wait_for(lambda told=told: len(told) >= len(truth))
        assert len(told) == len(truth), (side, len(told))
        told = sorted(told, key=lambda each: each["connection"]["stream"])
        whole = with_status = 0
        for record, exchange in zip(told, truth, strict=True):
            flags = set(record["flags"])
            grpc = record["grpc"] or {}
            values = [
                (record["method"], exchange.method),
                (record["path"], exchange.path),
                (record["status"], exchange.status),
                *([(grpc.get("status"), exchange.grpc.status)] if exchange.grpc else []),
            ]
            wrong = [(mine, true) for mine, true in values if mine not in (true, None)]
            assert not wrong, (side, record["flags"], wrong)
            has_all = all(mine == true for mine, true in values)
            whole += all(mine == true for mine, true in values[:3])
            with_status += has_all
            assert has_all or "hpack_partial" in flags, (side, values, flags)
            assert flags <= {"pre_existing", "hpack_partial"}, (side, flags)
            assert "pre_existing" in flags
            assert record["request"]["body_bytes"] == exchange.request_body
            assert record["response"]["body_bytes"] == exchange.response_body
        counts = f"{whole} with method, path and status, {with_status} with gRPC's where there is one"
        print(f"{name}, {side} side: of {len(truth)} {counts}", file=sys.stderr)


def talk(client, lines):
    """Each line is a visit; the answer to it is a line."""
    for line in lines:
        client.stdin.write(line + "\n")
        assert client.stdout.readline()


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}


@pytest.mark.slow
@pytest.mark.parametrize("client_name", ["go", "node"])
@pytest.mark.parametrize("server_name", ["go", "node"])
def test_visits_on_an_older_connection_are_told(
    ports, tmp_path, program, go_program, go_server, client_name, server_name
):
    """Go's and Node's own clients and servers, one visit after the other."""
    port, log = ports.pop(), tmp_path / "server.log"
    node = program("node")
    server = [go_server()] if server_name == "go" else [node, PROGRAMS / "node_server.js"]
    base = f"http://127.0.0.1:{port}"
    client = (
        [go_program("client"), base, "0", "1"]
        if client_name == "go"
        else [node, PROGRAMS / "node_client.js", base, "0"]
    )
    with running([*server, str(port), log]):
        wait_listening(port)
        with running(client, **PIPES) as talking:
            talk(talking, BEFORE)
            with late_rover(port) as rover:
                talk(talking, AFTER)
                truth = Logged(port, log, told_by_log).truth(len(BEFORE) + len(AFTER))[len(BEFORE) :]
                require_true_or_null(rover, port, truth, f"{client_name} client, {server_name} server")


@pytest.mark.parametrize(
    ("server_name", "client_name"),
    [
        ("core", "go"),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [("go", "core"), ("core", "core"), ("go", "go")]),
    ],
)
def test_calls_on_an_older_connection_are_told(ports, tmp_path, go_program, client_name, server_name):
    """grpc-core and grpc-go, one call after the other."""
    port, log = ports.pop(), tmp_path / "server.log"
    server = [sys.executable, PROGRAMS / "grpc_server.py"] if server_name == "core" else [go_program("grpcserver")]
    client = [sys.executable, PROGRAMS / "grpc_client.py"] if client_name == "core" else [go_program("grpcclient")]
    with running([*server, str(port), log]):
        wait_listening(port)
        with running([*client, str(port), "wait"], **PIPES) as talking:
            talk(talking, CALLS_BEFORE)
            with late_rover(port) as rover:
                talk(talking, CALLS_AFTER)
                truth = Logged(port, log, told_by_grpc).truth(len(CALLS_BEFORE) + len(CALLS_AFTER))
                require_true_or_null(
                    rover, port, truth[len(CALLS_BEFORE) :], f"grpc-{client_name} client, grpc-{server_name} server"
                )


def place(record, side):
    """Client's port and number of an exchange. h2load takes every stream in turn: nginx's number is the stream's."""
    return record["remote" if side == "server" else "local"]["port"], (record["connection"]["stream"] + 1) // 2


def has_all_ends(told, ends, side):
    """Whether the last exchange of each connection is there."""
    return set(ends.items()) <= {place(record, side) for record in told}


def test_a_load_on_older_connections_is_told(ports, tmp_path, program):
    """h2load at a steady rate on four connections, nginx's log as the truth."""
    port = ports.pop()
    with Nginx(tmp_path, port, listen="http2") as nginx:
        urls = [nginx.url(path) for path in ("/small", "/nothing", "/missing")]
        load = [program("h2load"), "-c4", "-m4", "--rps=50", "-D10", *urls]
        with running(load, stdout=subprocess.DEVNULL) as loading, late_rover(port) as rover:
            loading.wait(30)
            truth = nginx.lines()
            for side in ("server", "client"):
                told = rover.records_of(port, side)
                known = {(line["connection"], line["number"]): line for line in truth}
                ends = {client: max(number for port_, number in known if port_ == client) for client, _ in known}
                rover.wait_for(lambda told=told, ends=ends, side=side: has_all_ends(told, ends, side))
                whole = 0
                last = {}
                for record in told:
                    client, number = place(record, side)
                    line = known[client, number]
                    values = [(record["method"], line["method"]), (record["path"], line["target"])]
                    values.append((record["status"], line["status"]))
                    assert all(mine in (true, None) for mine, true in values), values
                    whole += all(mine == true for mine, true in values)
                    last.setdefault(client, []).append(number)
                assert len(last) == 4
                for client, numbers in last.items():
                    # All from the first one that was seen whole to the end.
                    assert sorted(numbers)[1:] == list(range(sorted(numbers)[1], ends[client] + 1)), (side, client)
                    assert ends[client] - sorted(numbers)[0] > 100
                print(f"h2load, {side} side: {whole} of {len(told)} with all", file=sys.stderr)
