"""Decides from the rules whether a process is watched and how its service is called. Pure: facts in, verdict out.

All rules stand in one list of which the first that matches decides: `watch.exclude`, then the rules file in its order,
then `watch.include`; whom none matches is watched, unless something is included. The verdict is open only as long as a
fact may still come; when it cannot, the careful side is taken: nothing of a process that might be excluded is
reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rover.config import Rule, RulesFile
from rover.identity import NOBODY, Who
from rover.processes.matching import NO_PORTS, Answer, Facts, Ports, Test, answer_of, tests_of
from rover.processes.procfs import Process


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one process."""

    is_watched: bool
    rule: str
    """The rule that decided, for a person: `watch.exclude {exe: curl}`, `rules.yaml:4 {namespace: shop}`."""
    service: str | None = None
    """Template of the service's name, of the first rule that matches and names."""


@dataclass(frozen=True, slots=True)
class _Line:
    tests: tuple[Test, ...]
    is_watched: bool | None
    """None: names only."""
    service: str | None
    told: str


_KERNEL_THREAD = Verdict(False, "kernel threads serve nothing of their own accord")


class Rules:
    """The rules of one configuration."""

    def __init__(
        self, include: Iterable[Rule] = (), exclude: Iterable[Rule] = (), file: RulesFile | None = None
    ) -> None:
        """Raises ConfigError for a user that does not exist."""
        include, exclude, file = tuple(include), tuple(exclude), file or RulesFile()
        self._lines = [
            *(_line(rule, False, None, "watch.exclude") for rule in exclude),
            *(_line(line.rule, _VERDICTS[line.action], line.service, line.origin) for line in file.lines),
            *(_line(rule, True, None, "watch.include") for rule in include),
        ]
        is_watched_else = file.is_watched_else and not include
        self._else = Verdict(is_watched_else, "no rule" if is_watched_else else "no rule includes it")
        every = [*include, *exclude, *(line.rule for line in file.lines)]
        self.ports = frozenset(rule.port for rule in every if rule.port is not None)
        """Ports that the rules ask for."""
        self.is_inherited = all(rule.pid is None for rule in every)
        """Whether a child of the same program has its parent's verdict: unless rules name pids."""

    def maybe_verdict(self, process: Process, ports: Ports = NO_PORTS, who: Who = NOBODY) -> Verdict | None:
        """What the first rule that matches says; None while another one before it may yet match and say otherwise."""
        facts = Facts(process, ports, who)
        found, is_open = self._decide(facts)
        if is_open:
            return None
        service, is_open = self._name(facts) if found.is_watched else (None, False)
        if is_open:
            return None
        return Verdict(found.is_watched, found.rule, service) if service else found

    def _decide(self, facts: Facts) -> tuple[Verdict, bool]:
        awaited: set[bool] = set()
        for line in self._lines:
            if line.is_watched is None:
                continue
            answer = answer_of(line.tests, facts)
            if answer is Answer.NOT_YET:
                awaited.add(line.is_watched)
            elif answer is Answer.YES or (answer is Answer.UNKNOWN and not line.is_watched):
                return Verdict(line.is_watched, line.told), (not line.is_watched) in awaited
        # Who wants a kernel thread watched names it.
        found = _KERNEL_THREAD if facts.process.is_kernel_thread else self._else
        return found, (not found.is_watched) in awaited

    def _name(self, facts: Facts) -> tuple[str | None, bool]:
        for line in self._lines:
            if line.service is None or line.is_watched is False:
                continue
            answer = answer_of(line.tests, facts)
            if answer in (Answer.YES, Answer.NOT_YET):
                return line.service, answer is Answer.NOT_YET
        return None, False


_VERDICTS = {"include": True, "exclude": False, "name": None}


def _line(rule: Rule, is_watched: bool | None, service: str | None, origin: str) -> _Line:
    return _Line(tuple(tests_of(rule, origin)), is_watched, service, f"{origin} {rule}")
