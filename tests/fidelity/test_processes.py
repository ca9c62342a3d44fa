"""Who is watched: processes that come, go, serve at once, are excluded, or were there before."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.fidelity.messages import request, response
from tests.stage.clients import visit_with_curl
from tests.stage.dialogue import Dialogue
from tests.stage.exchange import Exchange
from tests.stage.judge import Judge
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import Rover, unexplained

pytestmark = pytest.mark.root

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def early_bird(build_folder, program):
    """A server that answers within a millisecond of its exec and is gone soon after."""
    binary = build_folder / "early_bird"
    subprocess.run([program("gcc"), "-O1", "-o", binary, PROGRAMS / "early_bird.c"], check=True, timeout=60)
    return binary


def paths(records):
    """How often each path was told."""
    return Counter(record["path"] for record in records)


def test_a_server_that_answers_right_after_exec_loses_nothing(judge, ports, early_bird):
    """Its data is held until Python has confirmed the process, which by then may be gone. Twenty lives of five each."""
    port = ports.pop()
    for _ in range(20):
        subprocess.run([early_bird, str(port), "5"], check=True, timeout=20)
    judge.rover.wait_for(lambda: all(len(judge.rover.records_of(port, side)) >= 100 for side in ("server", "client")))
    expected = {f"/{number}": 20 for number in range(5)}
    for side in ("server", "client"):
        assert paths(judge.records(port, side)) == expected
        assert {(each["status"], each["response"]["body_bytes"]) for each in judge.records(port, side)} == {(200, 2)}


def test_an_excluded_executable_is_never_told(tmp_path, early_bird):
    """Not even the exchanges of its first millisecond; others on the same connections are."""
    port = free_port()
    nginx = Nginx(tmp_path, free_port())
    filters = ("--port", str(port), "--port", str(nginx.port))
    with Rover("--exclude-exe", "*/early_bird", "--exclude-exe", "*/curl", *filters) as rover, nginx:
        for _ in range(10):
            subprocess.run([early_bird, str(port), "3"], check=True, timeout=20)
            visit_with_curl([nginx.url("/small")])
        assert rover.wait_for(lambda: len(rover.records_of(nginx.port, "server")) >= 10)
        ledger = rover.stop()
    told = Counter((each["local"]["identity"]["process"], each["side"]) for each in rover.records)
    assert told == {("nginx", "server"): 10}
    assert unexplained(ledger) == 0, ledger


def test_only_included_executables_are_told(tmp_path):
    """--exe: the server's side of an exchange with a client that is not included."""
    nginx = Nginx(tmp_path, free_port())
    with Rover("--exe", "*/nginx") as rover, nginx:
        visit_with_curl([nginx.url("/small")] * 5)
        assert rover.wait_for(lambda: len(rover.records_of(nginx.port, "server")) >= 5)
        rover.stop()
    assert {each["local"]["identity"]["process"] for each in rover.records} == {"nginx"}
    assert not rover.records_of(nginx.port, "client")


@pytest.mark.slow
def test_a_program_that_begins_while_the_one_before_it_is_being_excluded_is_told(build_folder, program, early_bird):
    """The decision on the one before may be carried out when the kernel knows of the new one and rover does not yet."""
    late = build_folder / "late_exec"
    subprocess.run([program("gcc"), "-O1", "-o", late, PROGRAMS / "late_exec.c"], check=True, timeout=60)
    port = free_port()
    with Rover("--exe", "*/early_bird", "--port", str(port), "--side", "server") as rover:
        for number in range(600):
            subprocess.run([late, str(number % 60 * 400), early_bird, str(port), "2"], check=True, timeout=20)
        rover.wait_for(lambda: len(rover.records_of(port, "server")) >= 1200)
        ledger = rover.stop()
    assert paths(rover.records_of(port, "server")) == {"/0": 600, "/1": 600}, ledger


@pytest.mark.parametrize("side", ["server", "client"])
def test_only_the_side_asked_for_is_told(tmp_path, side):
    """--side."""
    nginx = Nginx(tmp_path, free_port())
    with Rover("--side", side, "--port", str(nginx.port)) as rover, nginx:
        visit_with_curl([nginx.url("/small")] * 5)
        assert rover.wait_for(lambda: len(rover.records_of(nginx.port, side)) >= 5)
        rover.stop()
    assert len(rover.records) == 5


def test_only_the_process_asked_for_is_told(tmp_path):
    """--pid: the worker of one nginx, not that of the other."""
    one, other = Nginx(tmp_path / "one", free_port()), Nginx(tmp_path / "other", free_port())
    with one, other, Rover("--pid", str(one.worker_pids()[0])) as rover:
        visit_with_curl([other.url("/small"), one.url("/small")] * 3)
        assert rover.wait_for(lambda: len(rover.records_of(one.port, "server")) >= 3)
        rover.stop()
    assert [each["local"]["port"] for each in rover.records] == [one.port] * 3


def test_everything_is_watched_when_nothing_is_asked(tmp_path):
    """No filter: both sides of the exchanges of a process older than rover and of one that is younger."""
    nginx, younger = Nginx(tmp_path / "old", free_port()), Nginx(tmp_path / "young", free_port())
    with nginx, Rover() as rover, younger:
        visit_with_curl([nginx.url("/small"), younger.url("/small")] * 10)
        judge = Judge(rover)
        judge.require(nginx.port, nginx.truth(10))
        judge.require(younger.port, younger.truth(10))


def test_a_connection_older_than_rover_is_read_from_the_first_byte_after_its_start():
    """The flag says it; what was exchanged before is not told, and the number counts what rover saw."""
    talk = Dialogue(free_port())
    talk.ask(request("GET", "/before"))
    talk.answer(response(200, body=b"1"))
    with talk, Rover("--port", str(talk.port)) as rover:
        for number in range(3):
            talk.ask(request("POST", f"/{number}", body=b"x" * number))
            talk.answer(response(200, body=b"22"))
        truth = [Exchange("POST", f"/{n}", 200, n, 2).flagged("pre_existing").on(talk.connection) for n in range(3)]
        Judge(rover).require(talk.port, truth)


def test_rover_may_start_in_the_middle_of_a_message():
    """Half a request and half a response were moved before: the exchanges behind them are whole."""
    asked, answered = request("POST", "/cut", body=b"x" * 100), response(200, body=b"y" * 100)
    up, down = Dialogue(free_port()), Dialogue(free_port())
    up.ask(asked[:-50])
    down.ask(asked)
    down.answer(answered[:-50])
    filters = ("--port", str(up.port), "--port", str(down.port))
    with up, down, Rover(*filters) as rover:
        up.ask(asked[-50:])
        up.answer(answered)
        down.answer(answered[-50:])
        for talk in (up, down):
            talk.ask(request("GET", "/next"))
            talk.answer(response(200, body=b"1"))
        for talk in (up, down):
            for side in ("server", "client"):
                assert rover.wait_for(
                    lambda talk=talk, side=side: paths(rover.records_of(talk.port, side))["/next"] == 1
                ), f"{side} side of {talk.port}"
                (record,) = [each for each in rover.records_of(talk.port, side) if each["path"] == "/next"]
                assert (record["method"], record["status"], record["response"]["body_bytes"]) == ("GET", 200, 1)
                assert "pre_existing" in record["flags"]
        ledger = rover.stop()
    assert unexplained(ledger) == 0, ledger


def test_a_thread_is_no_process(judge, ports):
    """Exchanges made by threads carry the identity of their process, and threads of one process share its pid."""
    port = ports.pop()
    connections = []

    def exchange(number):
        with Dialogue(port) as talk:
            talk.ask(request("GET", f"/{number}"))
            talk.answer(response(200))
            connections.append(Exchange("GET", f"/{number}", 200).on(talk.connection))

    for number in range(8):
        thread = threading.Thread(target=exchange, args=(number,))
        thread.start()
        thread.join(20)
    judge.require(port, connections)
    pids = {each["local"]["identity"]["pid"] for each in judge.records(port, "server")}
    assert len(pids) == 1


def test_one_connection_may_be_read_and_written_by_different_threads(judge, ports):
    """The operations of a connection belong together, whoever makes them."""
    port = ports.pop()
    with Dialogue(port) as talk:
        for number in range(10):
            for move, data in ((talk.ask, request("GET", f"/{number}")), (talk.answer, response(200, body=b"ok"))):
                thread = threading.Thread(target=move, args=(data,))
                thread.start()
                thread.join(20)
    judge.require(port, [Exchange("GET", f"/{number}", 200, 0, 2).on(talk.connection) for number in range(10)])


FORKING = """
import os, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    for _ in range(int(sys.argv[2])):
        connection, _ = listener.accept()
        if os.fork() == 0:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nchild")
            os._exit(0)
        connection.close()
        os.wait()
"""


def test_children_that_serve_without_exec_are_watched(judge, ports):
    """A forking server: each child is a new process for one exchange."""
    port = ports.pop()
    with subprocess.Popen([sys.executable, "-c", FORKING, str(port), "10"]) as server:
        for number in range(10):
            curl = ["curl", "-sS", "-o", "/dev/null", "--retry", "9", "--retry-connrefused", "--retry-delay", "0"]
            subprocess.run([*curl, f"http://127.0.0.1:{port}/{number}"], check=True, timeout=20)
        server.wait(10)
    judge.rover.wait_for(lambda: all(len(judge.rover.records_of(port, side)) >= 10 for side in ("server", "client")))
    for side in ("server", "client"):
        records = judge.records(port, side)
        assert paths(records) == {f"/{number}": 1 for number in range(10)}
        assert len({each["local"]["identity"]["pid"] for each in records}) == 10
