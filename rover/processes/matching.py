"""Whether one rule matches one process. Pure: facts in, answer out.

A fact can be unknown: a process that is gone cannot be asked for its command line, one that just began may yet listen
on a port, and the name of a container comes from its runtime a moment after its first process."""

from __future__ import annotations

import fnmatch
import pwd
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from rover.config import ConfigError, Labels, Rule
from rover.identity import NOBODY, Who
from rover.processes.procfs import Process


class Answer(Enum):
    """Whether a rule matches."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not yet"
    """It may match later, when the process listens or its container is known."""
    UNKNOWN = "unknown"
    """The fact that decides is lost."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What is known of the ports that a process listens on."""

    numbers: frozenset[int] = frozenset()
    """Ports of rules on which it listens or has listened."""
    is_final: bool = True
    """Whether a port that is not among them counts as not listened on; else it may still come."""


NO_PORTS = Ports()


@dataclass(frozen=True, slots=True)
class Facts:
    """A process, and what is known beside /proc."""

    process: Process
    ports: Ports = NO_PORTS
    who: Who = NOBODY


Test = Callable[[Facts], Answer]
"""A part of a rule."""


def tests_of(rule: Rule, key: str) -> list[Test]:
    """The parts of one rule, cheapest first. Raises ConfigError, which names `key`, for a user that does not exist."""
    tests: list[Test] = []
    if rule.pid is not None:
        tests.append(_pid_test(rule.pid))
    if rule.exe is not None:
        tests.append(_executable_test(rule.exe))
    if rule.unit is not None:
        tests.append(_unit_test(rule.unit))
    if rule.user is not None:
        tests.append(_user_test(rule.user, key))
    if rule.cmdline is not None:
        tests.append(_cmdline_test(rule.cmdline))
    tests.extend(_container_tests(rule))
    tests.extend(_pod_tests(rule))
    if rule.port is not None:
        tests.append(_port_test(rule.port))
    return tests


def answer_of(tests: Iterable[Test], facts: Facts) -> Answer:
    """Whether all parts hold; one that does not outweighs those that are open."""
    worst = Answer.YES
    for test in tests:
        answer = test(facts)
        if answer is Answer.NO:
            return Answer.NO
        if answer is not Answer.YES and worst is not Answer.UNKNOWN:
            worst = answer
    return worst


def _answer(is_match: bool) -> Answer:
    return Answer.YES if is_match else Answer.NO


def _glob(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern), re.DOTALL).match


def _pid_test(pid: int) -> Test:
    return lambda facts: _answer(facts.process.pid == pid)


def _executable_test(pattern: str) -> Test:
    is_match, is_path = _glob(pattern), "/" in pattern

    def test(facts: Facts) -> Answer:
        executable = facts.process.executable
        if executable is None:
            return Answer.NO if facts.process.is_kernel_thread else Answer.UNKNOWN
        return _answer(bool(is_match(executable if is_path else executable.rpartition("/")[2])))

    return test


def _cmdline_test(pattern: str) -> Test:
    is_match = _glob(pattern)

    def test(facts: Facts) -> Answer:
        cmdline = facts.process.maybe_cmdline()
        return Answer.UNKNOWN if cmdline is None else _answer(bool(is_match(cmdline)))

    return test


def _user_test(user: str, key: str) -> Test:
    try:
        wanted = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"a rule names the user {user}, whom this machine does not know", origin=key) from None

    def test(facts: Facts) -> Answer:
        user_id = facts.process.maybe_user_id()
        return Answer.UNKNOWN if user_id is None else _answer(user_id == wanted)

    return test


def _port_test(port: int) -> Test:
    def test(facts: Facts) -> Answer:
        if port in facts.ports.numbers:
            return Answer.YES
        return Answer.NO if facts.ports.is_final else Answer.NOT_YET

    return test


def _unit_test(pattern: str) -> Test:
    is_match = _glob(pattern)

    def test(facts: Facts) -> Answer:
        place = facts.process.maybe_place()
        if place is None:
            return Answer.UNKNOWN
        return _answer(place.unit is not None and bool(is_match(place.unit)))

    return test


def _container_tests(rule: Rule) -> Iterable[Test]:
    if rule.container == "*":
        yield _placed_test()
    elif rule.container is not None:
        yield _named_test(rule.container, lambda who: who.container.name if who.container else None)
    if rule.image is not None:
        yield _named_test(rule.image, lambda who: who.container.image if who.container else None)
    if rule.container_label is not None:
        yield _labels_test(rule.container_label, lambda who: who.container.labels if who.container else {})


def _pod_tests(rule: Rule) -> Iterable[Test]:
    if rule.namespace is not None:
        yield _named_test(rule.namespace, lambda who: who.pod.namespace if who.pod else None)
    if rule.pod is not None:
        yield _named_test(rule.pod, lambda who: who.pod.name if who.pod else None)
    if rule.workload is not None:
        has_kind = "/" in rule.workload
        yield _named_test(rule.workload, lambda who: _workload(who, has_kind))
    if rule.pod_label is not None:
        yield _labels_test(rule.pod_label, lambda who: who.pod.labels if who.pod else {})
    if rule.pod_annotation is not None:
        yield _labels_test(rule.pod_annotation, lambda who: who.pod.annotations if who.pod else {})


def _workload(who: Who, has_kind: bool) -> str | None:
    if who.pod is None or who.pod.workload is None:
        return None
    return f"{who.pod.workload_kind}/{who.pod.workload}" if has_kind else who.pod.workload


def _placed_test() -> Test:
    def test(facts: Facts) -> Answer:
        place = facts.process.maybe_place()
        return Answer.UNKNOWN if place is None else _answer(place.container_id is not None)

    return test


def _in_container(test: Callable[[Who], bool]) -> Test:
    """A test of names: a process outside containers has none, one inside may get them yet."""

    def test_facts(facts: Facts) -> Answer:
        place = facts.process.maybe_place()
        if place is None:
            return Answer.UNKNOWN
        if place.container_id is None:
            return Answer.NO
        if test(facts.who):
            return Answer.YES
        return Answer.NO if facts.who.is_final else Answer.NOT_YET

    return test_facts


def _named_test(pattern: str, name_of: Callable[[Who], str | None]) -> Test:
    is_match = _glob(pattern)
    return _in_container(lambda who: (name := name_of(who)) is not None and bool(is_match(name)))


def _labels_test(wanted: Labels, labels_of: Callable[[Who], Mapping[str, str]]) -> Test:
    globs = [(key, _glob(pattern)) for key, pattern in wanted]

    def has_all(who: Who) -> bool:
        labels = labels_of(who)
        return all(key in labels and is_match(labels[key]) for key, is_match in globs)

    return _in_container(has_all)
