"""Connections that are older than rover: every exchange after the start is a record, and what it says is true or null.

HPACK's table of such a connection is not known (RFC 7541 §2.3.2): what was put into it before the start is null and
flagged `hpack_partial`, what is sent again or as a literal is there. How large the share with all of method, path and
status is depends on the client and on what it asked before; it is printed.

Where one end is a Go program its decoder has the table in memory: rover reads it there, once, and from then on the
headers that this end receives are all known, at both ends."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.http2.conftest import PROGRAMS, Logged, running, told_by_grpc
from tests.http2.test_languages import told_by_log
from tests.stage.nginx import Nginx
from tests.stage.ports import wait_listening
from tests.stage.rover import Record, Rover, unexplained

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


def play_until(rover, port, is_known: Callable[[Record], bool], play: Callable[[], None]) -> int:
    """Plays until both sides' records have what `is_known` asks for; how often."""
    told = [rover.records_of(port, side) for side in ("server", "client")]
    deadline = time.monotonic() + 20
    for times in itertools.count(1):
        before = [len(records) for records in told]
        play()
        rover.wait_for(lambda before=before: all(len(each) > n for each, n in zip(told, before, strict=True)))
        if all(is_known(records[-1]) for records in told):
            return times
        assert time.monotonic() < deadline, [records[-1] for records in told]
    raise AssertionError


def require_true_or_null(rover, port, truth, name):
    """As many records as exchanges on both sides, each value the truth or null; prints the share that has all.

    The lower counts of both sides: with method, path and status; with gRPC's status as well."""
    counted = []
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
        counted.append((whole, with_status))
    return tuple(min(each) for each in zip(*counted, strict=True))


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
                played = 0
                if server_name == "go":
                    played = play_until(
                        rover, port, lambda record: record["path"] is not None, lambda: talk(talking, [BEFORE[2]])
                    )
                talk(talking, AFTER)
                truth = Logged(port, log, told_by_log).truth(len(BEFORE) + played + len(AFTER))[len(BEFORE) :]
                whole, _ = require_true_or_null(rover, port, truth, f"{client_name} client, {server_name} server")
                # Without the table it is a third of Go's.
                assert whole >= (len(AFTER) / 3 if server_name == "node" else len(AFTER))


@pytest.mark.parametrize("client_name", ["go", "node"])
def test_tables_of_one_program_are_not_mixed_up(ports, tmp_path, program, go_program, go_server, client_name):
    """Clients whose header blocks are the same bytes and mean another path each, all at once to one Go server."""
    port, log = ports.pop(), tmp_path / "server.log"
    base = f"http://127.0.0.1:{port}"
    node = [program("node"), PROGRAMS / "node_client.js", base, "0"]
    client = [go_program("client"), base, "0", "1"] if client_name == "go" else node
    with ExitStack() as stack:
        stack.enter_context(running([go_server(), str(port), log]))
        wait_listening(port)
        clients = [stack.enter_context(running(client, **PIPES)) for _ in range(6)]
        for number, talking in enumerate(clients):
            talk(talking, [f"PUT:/missing{number}:0"])
        with late_rover(port) as rover:

            def play(times=1):
                with ThreadPoolExecutor(len(clients)) as pool:
                    work = [[f"PUT:/missing{number}:0"] * times for number in range(len(clients))]
                    list(pool.map(talk, clients, work))

            played = play_until(rover, port, lambda record: record["path"] is not None, play)
            play(200)
            count = len(clients) * (played + 200)
            truth = Logged(port, log, told_by_log).truth(len(clients) + count)
            paths = {exchange.connection: exchange.path for exchange in truth}
            assert len(paths) == len(clients)
            for side in ("server", "client"):
                told = rover.records_of(port, side)
                rover.wait_for(lambda told=told: len(told) >= count)
                end = "remote" if side == "server" else "local"
                values = [(record["path"], paths[record[end]["port"]]) for record in told]
                assert [each for each in values if each[0] not in (None, each[1])] == []
                known = sum(path is not None for path, _ in values)
                print(f"{client_name} clients, {side} side: of {count} {known} with their path", file=sys.stderr)
                if client_name == "go":
                    assert known >= 6 * 190


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

    def is_known(record: Record) -> bool:
        has_method = server_name != "go" or record["path"] is not None
        return has_method and (client_name != "go" or (record["grpc"] or {}).get("status") is not None)

    with running([*server, str(port), log]):
        wait_listening(port)
        with running([*client, str(port), "wait"], **PIPES) as talking:
            talk(talking, CALLS_BEFORE)
            with late_rover(port) as rover:
                played = play_until(rover, port, is_known, lambda: talk(talking, [CALLS_BEFORE[0]]))
                talk(talking, CALLS_AFTER)
                truth = Logged(port, log, told_by_grpc).truth(len(CALLS_BEFORE) + played + len(CALLS_AFTER))
                whole, with_status = require_true_or_null(
                    rover, port, truth[len(CALLS_BEFORE) :], f"grpc-{client_name} client, grpc-{server_name} server"
                )
                if server_name == "go":
                    assert whole >= len(CALLS_AFTER)
                if client_name == "go":
                    # Of all whose method is known.
                    assert with_status >= (len(CALLS_AFTER) if server_name == "go" else 40)


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
