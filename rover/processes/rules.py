"""Decides from the rules whether a process is watched. Pure: facts in, verdict out.

Excluding rules come first: who matches one is not watched. Then, if there are including rules, one of them must match.
A fact can be unknown: a process that is gone cannot be asked for its command line, and one that just began may yet
listen on a port. The verdict is open only as long as the answer may still come; when it cannot, the careful side is
taken: nothing of a process that might be excluded is reported."""

from __future__ import annotations

import fnmatch
import pwd
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from rover.config import ConfigError, Rule
from rover.processes.procfs import Process


class Answer(Enum):
    """Whether a rule matches."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not yet"
    """It may match later, when the process listens."""
    UNKNOWN = "unknown"
    """The fact that decides is lost."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What is known of the ports that a process listens on."""

    numbers: frozenset[int] = frozenset()
    """Ports of rules on which it listens or has listened."""
    is_final: bool = True
    """Whether a port that is not among them counts as not listened on; else it may still come."""


Test = Callable[[Process, Ports], Answer]
"""A part of a rule."""


def _answer(is_match: bool) -> Answer:
    return Answer.YES if is_match else Answer.NO


def _glob(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern), re.DOTALL).match


def _executable_test(pattern: str) -> Test:
    is_match, is_path = _glob(pattern), "/" in pattern

    def test(process: Process, _ports: Ports) -> Answer:
        if process.executable is None:
            return Answer.NO if process.is_kernel_thread else Answer.UNKNOWN
        name = process.executable if is_path else process.executable.rpartition("/")[2]
        return _answer(bool(is_match(name)))

    return test


def _cmdline_test(pattern: str) -> Test:
    is_match = _glob(pattern)

    def test(process: Process, _ports: Ports) -> Answer:
        cmdline = process.maybe_cmdline()
        return Answer.UNKNOWN if cmdline is None else _answer(bool(is_match(cmdline)))

    return test


def _user_test(user: str, key: str) -> Test:
    try:
        wanted = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"a rule names the user {user}, whom this machine does not know", origin=key) from None

    def test(process: Process, _ports: Ports) -> Answer:
        user_id = process.maybe_user_id()
        return Answer.UNKNOWN if user_id is None else _answer(user_id == wanted)

    return test


def _pid_test(pid: int) -> Test:
    return lambda process, _ports: _answer(process.pid == pid)


def _port_test(port: int) -> Test:
    def test(_process: Process, ports: Ports) -> Answer:
        if port in ports.numbers:
            return Answer.YES
        return Answer.NO if ports.is_final else Answer.NOT_YET

    return test


def _tests(rule: Rule, key: str) -> list[Test]:
    """The parts of one rule, cheapest first."""
    tests: list[Test] = []
    if rule.pid is not None:
        tests.append(_pid_test(rule.pid))
    if rule.exe is not None:
        tests.append(_executable_test(rule.exe))
    if rule.user is not None:
        tests.append(_user_test(rule.user, key))
    if rule.cmdline is not None:
        tests.append(_cmdline_test(rule.cmdline))
    if rule.port is not None:
        tests.append(_port_test(rule.port))
    return tests


def _all_of(tests: Iterable[Test], process: Process, ports: Ports) -> Answer:
    worst = Answer.YES
    for test in tests:
        answer = test(process, ports)
        if answer is Answer.NO:
            return Answer.NO
        if answer is not Answer.YES and worst is not Answer.UNKNOWN:
            worst = answer
    return worst


class Rules:
    """The rules of one configuration."""

    def __init__(self, include: Iterable[Rule], exclude: Iterable[Rule]) -> None:
        """Raises ConfigError for a user that does not exist."""
        include, exclude = tuple(include), tuple(exclude)
        self._include = [_tests(rule, "watch.include") for rule in include]
        self._exclude = [_tests(rule, "watch.exclude") for rule in exclude]
        both = include + exclude
        self.ports = frozenset(rule.port for rule in both if rule.port is not None)
        """Ports that the rules ask for."""
        self.is_inherited = all(rule.pid is None for rule in both)
        """Whether a child of the same program has its parent's verdict: unless rules name pids."""

    def maybe_verdict(self, process: Process, ports: Ports) -> bool | None:
        """Whether the process is watched; None while that depends on ports on which it may yet listen."""
        answers = {_all_of(tests, process, ports) for tests in self._exclude}
        if Answer.YES in answers or Answer.UNKNOWN in answers:
            return False
        if Answer.NOT_YET in answers:
            return None
        if process.is_kernel_thread and not self._include:
            return False  # serves no HTTP of its own accord; who wants one watched includes its pid
        if not self._include:
            return True
        answers = {_all_of(tests, process, ports) for tests in self._include}
        if Answer.YES in answers:
            return True
        return None if Answer.NOT_YET in answers else False
