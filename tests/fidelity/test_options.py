"""What the options of `rover watch` change about the records of real exchanges."""

import json
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest

from tests.fidelity.messages import request, response
from tests.stage.dialogue import Dialogue
from tests.stage.exchange import Exchange
from tests.stage.judge import BOTH, Judge
from tests.stage.ports import free_port
from tests.stage.rover import EXECUTABLE, Rover, unexplained

pytestmark = pytest.mark.root

ASKED = request(
    *("GET", "/path?name=anna&empty=&flag&name=berta"),
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "X-Team: blue",
    "Authorization: Bearer secret",
    "X-Unnamed: hidden",
)
ANSWERED = response(200, "X-Cache: hit", "Set-Cookie: id=secret", body=b"ok")


def one_exchange(*arguments, asked=ASKED, answered=ANSWERED, environment=None):
    """The two records of one exchange, watched with these arguments."""
    with Dialogue(free_port()) as talk, Rover("--port", str(talk.port), *arguments, environment=environment) as rover:
        talk.ask(asked)
        talk.answer(answered)
        assert rover.wait_for(lambda: len(rover.records) >= 2), rover.errors
        rover.stop()
    return rover.records


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ((), "name=*&empty=*&flag&name=*"),
        (("--query", "mask"), "name=*&empty=*&flag&name=*"),
        (("--query", "keep"), "name=anna&empty=&flag&name=berta"),
        (("--query", "drop"), None),
    ],
    ids=["default", "mask", "keep", "drop"],
)
def test_values_of_a_query_are_masked_unless_asked_for(arguments, query):
    """Nobody's data leaves the machine by default; names of parameters do."""
    for record in one_exchange(*arguments):
        assert (record["path"], record["query"]) == ("/path", query)
        assert arguments == ("--query", "keep") or "anna" not in json.dumps(record)


def test_headers_are_kept_only_by_name_and_secrets_never():
    """Names in any case; a secret that is asked for shows that it was there and no more."""
    environment = {"ROVER_CAPTURE_HEADERS": "X-Team,x-cache,authorization,set-cookie"}
    for record in one_exchange(environment=environment):
        assert record["request"]["headers"] == {"x-team": "blue", "authorization": "*"}
        assert record["response"]["headers"] == {"x-cache": "hit", "set-cookie": "*"}
        assert "secret" not in json.dumps(record)
        assert "hidden" not in json.dumps(record)


@pytest.mark.parametrize(
    ("headers", "form", "trace_id", "span_id"),
    [
        (
            ["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            *("w3c", "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"),
        ),
        (["X-B3-TraceId: 80f198ee56343ba8", "X-B3-SpanId: 05e3ac9a4f6e3b90", "X-B3-Sampled: 1"],
         *("b3", "80f198ee56343ba8", "05e3ac9a4f6e3b90")),
        (["b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"],
         *("b3", "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1")),
        # The parts are base64: sampled, trace id "trace-1", segment id "segment-1", span 3, and who asks.
        (["sw8: 1-dHJhY2UtMQ==-c2VnbWVudC0x-3-c3Zj-aW5z-L2E=-MTAuMC4wLjE6ODA="], "sw8", "trace-1", None),
    ],
    ids=["w3c", "b3-multi", "b3-single", "sw8"],
)  # fmt: skip
def test_trace_context_is_read_from_the_request(headers, form, trace_id, span_id):
    """W3C traceparent, B3 in both forms, SkyWalking's sw8; no header needs to be asked for."""
    for record in one_exchange(asked=request("GET", "/", *headers)):
        assert (record["trace"]["format"], record["trace"]["trace_id"]) == (form, trace_id)
        assert span_id is None or record["trace"]["span_id"] == span_id
        assert record["trace"]["sampled"]


def test_a_long_exchange_is_told_unfinished_and_completed_later():
    """After capture.unfinished_seconds a record goes out with what is known; its completion has the same id."""
    with (
        Dialogue(free_port()) as talk,
        Rover("--port", str(talk.port), environment={"ROVER_CAPTURE_UNFINISHED_SECONDS": "1"}) as rover,
    ):
        talk.ask(request("GET", "/events"))
        talk.answer(response(200, "Content-Type: text/event-stream", body=None) + b"data: 1\n\n")
        assert rover.wait_for(lambda: len(rover.records) >= 2), "no unfinished record"
        for record in rover.records:
            assert (record["path"], record["status"], record["kind"]) == ("/events", 200, "sse")
            assert set(record["flags"]) == {"unfinished", "pre_existing"}
        talk.answer(b"data: 2\n\n")
        talk.end(talk.server)
        talk.end(talk.client)
        for side in BOTH:
            records = rover.records_of(talk.port, side)
            assert rover.wait_for(lambda records=records: "unfinished" not in records[-1]["flags"]), "not completed"
            assert len({record["id"] for record in records}) == 1
            assert records[-1]["response"]["body_bytes"] == 18
        assert unexplained(rover.stop()) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_is_in_flight_is_told_when_rover_is_stopped(how):
    """The signal comes right behind the last byte, with nobody having waited for records."""
    with Dialogue(free_port()) as talk, Rover("--port", str(talk.port)) as rover:
        for number in range(500):
            talk.ask(request("GET", f"/{number}"))
            talk.answer(response(200))
        ledger = rover.stop(how=how)
    for side in BOTH:
        assert [each["path"] for each in rover.records_of(talk.port, side)] == [f"/{number}" for number in range(500)]
    assert unexplained(ledger) == 0, ledger
    assert ledger["reported"] > 0


def test_a_duration_ends_rover_by_itself(tmp_path):
    """--duration and --output: the ledger comes on stderr, the records go to the file."""
    output = tmp_path / "records"
    with Dialogue(free_port()) as talk:
        command = [
            EXECUTABLE,
            "watch",
            "--format",
            "json",
            "--duration",
            "2",
            "--output",
            output,
            "--port",
            str(talk.port),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as rover:
            while not rover.stderr.readline().startswith("ready"):
                assert rover.poll() is None
            talk.ask(request("GET", "/"))
            talk.answer(response(200))
            said, errors = rover.communicate(timeout=20)
    assert (rover.returncode, said) == (0, "")
    assert unexplained(json.loads(errors.splitlines()[-1])) == 0
    assert len(output.read_text().splitlines()) == 2


def test_the_service_manager_is_told_when_rover_is_ready(tmp_path):
    """READY=1 to NOTIFY_SOCKET, as sd_notify(3) has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        with Rover(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}):
            assert b"READY=1" in manager.recv(4096).splitlines()


@contextmanager
def recording(path):
    """`rover record` while the block runs."""
    with subprocess.Popen([EXECUTABLE, "record", path], stderr=subprocess.PIPE, text=True) as recorder:
        try:
            while not recorder.stderr.readline().startswith("ready"):
                assert recorder.poll() is None
            yield
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.communicate(timeout=20)
    assert recorder.returncode == 0


def essence(records, port):
    """What two captures of the same traffic have in common: all but the ids and the clock readings of their hooks."""
    return sorted(
        [
            *(each["side"], each["method"], each["path"], each["status"], each["protocol"], each["interim"]),
            *(each["request"]["bytes"], each["response"]["bytes"], each["connection"]["id"], each["flags"]),
        ]
        for each in records
        if port in (each["local"]["port"], each["remote"]["port"])
    )


def test_a_recording_gives_the_same_records_again(tmp_path):
    """`rover record` beside `rover watch`, then `rover replay`: what was watched, and each time the very same."""
    path = tmp_path / "recording"
    talk = Dialogue(free_port())
    with talk, Rover("--port", str(talk.port)) as rover, recording(path):
        for number in range(50):
            talk.ask(request("PUT", f"/{number}", body=b"x" * number * 1000))
            talk.answer(response(200, body=b"y" * number * 100))
        truth = [Exchange("PUT", f"/{number}", 200, number * 1000, number * 100) for number in range(50)]
        Judge(rover).require(talk.port, [each.flagged("pre_existing").on(talk.connection) for each in truth])
    replay = [EXECUTABLE, "replay", path, "--format", "json"]
    once, again = (subprocess.run(replay, check=True, capture_output=True, timeout=30).stdout for _ in range(2))
    assert once == again
    replayed = [json.loads(line) for line in once.splitlines()]
    assert essence(replayed, talk.port) == essence(rover.records, talk.port)
