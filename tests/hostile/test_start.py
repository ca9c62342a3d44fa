"""Starts that cannot succeed: one clear line, the right exit code, never a traceback; and daemons beside each other."""

import os
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest

from tests.fidelity.messages import request, response
from tests.stage.deadline import wait_until
from tests.stage.dialogue import Dialogue
from tests.stage.ports import free_port, is_listening
from tests.stage.rover import EXECUTABLE, Rover

pytestmark = pytest.mark.root

USAGE, KERNEL = 2, 3


def refused(*arguments, before=(), environment=None):
    """Run rover, which must not start; its exit code and the one line it said."""
    done = subprocess.run(
        [*before, EXECUTABLE, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(environment or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path):
    """File, key, suggestion."""
    file = tmp_path / "rover.yaml"
    file.write_text("capture:\n  head_byte: 1000\n")
    code, line = refused("daemon", "-c", file)
    assert code == USAGE
    assert all(word in line for word in (str(file), "capture.head_byte", "capture.head_bytes")), line


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("capture:\n  head_bytes: many\n", "capture.head_bytes"),
        ("capture:\n  query: maybe\n", "capture.query"),
        ("capture: [1, 2\n", ""),
        ("watch:\n  include: 7\n", "watch.include"),
        ("\0\0\0", ""),
        ("- a\n- list\n", ""),
    ],
    ids=["no-number", "no-choice", "no-yaml", "no-rules", "nul", "list"],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path, text, word):
    """File and key."""
    file = tmp_path / "rover.yaml"
    file.write_text(text)
    code, line = refused("daemon", "-c", file)
    assert code == USAGE
    assert str(file) in line
    assert word in line


@pytest.mark.parametrize("kind", ["absent", "folder", "binary"])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path, kind):
    """Whatever the reason."""
    file = tmp_path / "rover.yaml"
    if kind == "folder":
        file.mkdir()
    elif kind == "binary":
        file.write_bytes(bytes(range(256)))
    code, line = refused("daemon", "-c", file)
    assert code == USAGE
    assert str(file) in line


def test_a_bad_environment_variable_is_named():
    """The environment is a part of the configuration."""
    code, line = refused("watch", environment={"ROVER_CAPTURE_QUERY": "maybe"})
    assert code == USAGE
    assert "ROVER_CAPTURE_QUERY" in line or "capture.query" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "--port", "70000"),
        ("watch", "--format", "xml"),
        ("watch", "--side", "middle"),
        ("watch", "--query", "eat"),
        ("watch", "--output", "/no/such/folder/file"),
        ("replay", "/no/such/recording"),
    ],
    ids=" ".join,
)
def test_bad_usage_ends_with_2(arguments):
    """Typer's usage errors have a frame around them; the exit code counts, and that there is no traceback."""
    done = subprocess.run([EXECUTABLE, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == USAGE, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    """`rover replay` of anything else."""
    file = tmp_path / "recording"
    file.write_bytes(b"not a recording at all" * 100)
    code, line = refused("replay", file)
    assert code == USAGE
    assert str(file) in line


def test_without_privileges_rover_says_what_is_missing():
    """Root without capabilities is what a container gives; the line names a capability or root."""
    code, line = refused("watch", before=("setpriv", "--bounding-set", "-all", "--inh-caps", "-all"))
    assert code == KERNEL
    assert "CAP_" in line or "root" in line, line


@contextmanager
def up(folder, http_port, grpc_port, command="up"):
    """`rover up` with a store of its own, while the block runs."""
    file = folder / f"{command}-{http_port}.yaml"
    file.write_text(
        f"backend:\n  http:\n    address: 127.0.0.1:{http_port}\n  grpc:\n    address: 127.0.0.1:{grpc_port}\n"
        f"  store:\n    path: {folder}/store.db\n"
    )
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen([EXECUTABLE, command, "-c", file], stdout=errors, stderr=errors)
    try:
        wait_until(lambda: is_listening(http_port) or process.poll() is not None, "rover up", 30)
        assert process.poll() is None, (folder / "errors").read_text()
        yield process, file
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_a_port_in_use_is_named(tmp_path):
    """By someone else: rover does not start half."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, line = refused(
            "up",
            environment={
                "ROVER_BACKEND_HTTP_ADDRESS": f"127.0.0.1:{port}",
                "ROVER_BACKEND_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
                "ROVER_BACKEND_STORE_PATH": str(tmp_path / "store.db"),
            },
        )
    assert code in (1, USAGE)
    assert str(port) in line


def test_a_second_rover_up_is_refused_and_the_first_goes_on(tmp_path):
    """The same configuration twice on one machine; a `rover watch` beside the first works."""
    http_port, grpc_port = free_port(), free_port()
    with up(tmp_path, http_port, grpc_port) as (first, file):
        code, line = refused("up", "-c", file)
        assert code in (1, USAGE)
        assert any(name in line for name in (str(http_port), str(grpc_port), "store.db")), line
        assert first.poll() is None
        with Dialogue(free_port()) as talk, Rover("--port", str(talk.port)) as rover:
            talk.ask(request("GET", "/beside"))
            talk.answer(response(200))
            assert rover.wait_for(lambda: len(rover.records) >= 2)
        assert first.poll() is None


def test_two_watches_side_by_side_tell_the_same():
    """Each has hooks and maps of its own."""
    with Dialogue(free_port()) as talk:
        filters = ("--port", str(talk.port))
        with Rover(*filters) as one, Rover(*filters) as other:
            for number in range(10):
                talk.ask(request("GET", f"/{number}"))
                talk.answer(response(200))
            for rover in (one, other):
                assert rover.wait_for(lambda rover=rover: len(rover.records) >= 20)
    assert sorted(each["path"] for each in one.records) == sorted(each["path"] for each in other.records)
