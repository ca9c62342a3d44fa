"""Exit codes, one-line errors, and help."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from rover.cli.group import COMMANDS, rover
from rover.cli.main import explain, main

HEAVY = ("starlette", "uvicorn", "sqlite_utils", "msgspec", "yaml", "rover._engine", "rover.backend", "asyncio", "http")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["wach"], "there is no command wach; did you mean watch? (see rover --help)"),
        (["zzz"], "there is no command zzz (see rover --help)"),
        (["watch", "--prot", "1"], "No such option '--prot'."),
        (["watch", "--port", "http"], "'http' is not a valid integer"),
        (["watch", "--format", "xml"], "'xml' is not one of 'text', 'json', 'combined'"),
        (["watch", "--duration", "0"], "0.0 is not in the range x>0"),
        (["watch", "--port", "70000"], "--port: must be a list whose item 1 is a port, 1 to 65535"),
        (["watch", "extra"], "Got unexpected extra argument (extra)"),
        (["replay"], "Missing argument 'FILE'"),
        (["config", "chek"], "No such command 'chek'"),
        (["--nope"], "No such option '--nope'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, says, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rover: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_a_configuration_error_is_one_line_and_exit_code_2(tmp_path, capsys):
    file = tmp_path / "rover.yaml"
    file.write_text("capture:\n  head_byte: 1\n")
    for command in (["config", "check", str(file)], ["watch", "-c", str(file)], ["up", "-c", str(file)]):
        assert main(command) == 2
        assert capsys.readouterr().err == (
            f"rover: {file}:2: unknown key capture.head_byte; did you mean capture.head_bytes?\n"
        )


def test_a_configuration_that_cannot_be_read_is_named(tmp_path, capsys):
    assert main(["config", "show", "-c", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"rover: {tmp_path}: cannot be read: Is a directory\n"


def test_a_variable_is_read_like_a_key_of_the_file(monkeypatch, capsys):
    monkeypatch.setenv("ROVER_CAPTURE_QUERY", "hide")
    assert main(["config", "show"]) == 2
    assert "ROVER_CAPTURE_QUERY: capture.query must be one of keep, mask, drop" in capsys.readouterr().err


@pytest.fixture
def broken(monkeypatch):
    """A command that fails with an error of rover itself."""

    @click.command()
    def command() -> None:
        raise KeyError("two\nlines")

    monkeypatch.setattr(type(rover), "get_command", lambda self, ctx, name: command)


def test_an_error_of_rover_is_one_line_that_says_where_and_exit_code_1(broken, capsys):
    assert main(["watch"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("rover: internal error: KeyError: 'two\\nlines' at cli/test_main.py:")
    assert error.count("\n") == 1
    assert "report" in error


def test_a_traceback_is_shown_only_with_debug(broken, capsys):
    assert main(["--debug", "watch"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_error_without_a_place_is_told_too():
    assert "at an unknown place" in explain(RuntimeError("x"))[0]


def test_an_interrupt_before_the_start_is_silent(monkeypatch, capsys):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(rover, "main", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: rover {name}" in shown
    assert "Examples:" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_help_lists_every_command_with_what_it_is_for(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, purpose in COMMANDS.items():
        assert f"  {name} " in shown
        assert purpose in shown


def test_version_is_the_packages(capsys):
    from rover import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rover {__version__}\n"


def test_help_needs_nothing_that_is_slow_or_large():
    """Of the daemon's 80 MB nothing goes to the web server's modules, and help is there in 0.3 s."""
    program = (
        "import sys; from rover.cli import main; main(['--help']); main(['watch', '--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stderr == "[]\n"


def test_help_takes_a_third_of_a_second_of_cpu_at_most():
    """The best of five; what other programs take of the machine is not counted."""
    taken = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-c", "from rover.cli import main; main(['--help'])"], check=True, stdout=-3)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(taken) < 0.3
