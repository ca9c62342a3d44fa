"""Processes whose names come after them: held, completed, or told with what is known."""

from __future__ import annotations

import json

import pytest

from rover.config import Rule, RuleLine, RulesFile
from rover.identity import Container, Directory
from rover.processes import ProcessTable, Rules
from rover.processes.procfs import Process, ProcFs

SECOND = 1_000_000_000
ID = "ab" * 32
WAIT = 2 * SECOND


class Machine(ProcFs):
    """A /proc in which every process is in one container."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")
        self.living = {10, 11, 12}

    def maybe_process(self, pid: int) -> Process | None:
        if pid not in self.living:
            return None
        return Process(pid, 1, "httpd", SECOND, is_kernel_thread=False, executable="/bin/httpd", source=self)

    def maybe_text(self, pid: int, name: str) -> str | None:
        return f"0::/docker/{ID}\n" if pid in self.living else None


class LateRuntime:
    """Knows the container when the test says so."""

    def __init__(self) -> None:
        self.container: Container | None = None
        self.is_answered = False
        self.changes: set[str] = set()

    def ask(self, container_id: str, runtime: str | None) -> tuple[Container | None, bool]:
        return self.container, self.is_answered

    def take_changes(self) -> set[str]:
        changes, self.changes = self.changes, set()
        return changes

    def answer(self, container: Container | None) -> None:
        self.container, self.is_answered, self.changes = container, True, {ID}


@pytest.fixture
def runtime() -> LateRuntime:
    return LateRuntime()


@pytest.fixture
def machine() -> Machine:
    return Machine()


def a_table(machine: Machine, runtime: LateRuntime, *lines: RuleLine) -> ProcessTable:
    rules = Rules(file=RulesFile(lines))
    return ProcessTable(rules, "node-1", 0, machine, directory=Directory(runtime), name_wait_ns=WAIT)


def begin(pid: int, at: int = SECOND):
    return ("exec", pid, 1, at, "", "", 0, [])


def told(decisions) -> list[tuple[int, bool, str | None]]:
    return [(d.pid, d.is_watched, json.loads(d.identity)["service"] if d.identity else None) for d in decisions]


def test_a_process_of_a_new_container_waits_for_its_name(machine, runtime):
    table = a_table(machine, runtime)
    assert told(table.handle([begin(10)])) == []
    assert table.has_waiting
    assert told(table.look_again(SECOND + 1)) == []
    runtime.answer(Container(ID, "cart", "docker", "shop/cart"))
    [decision] = table.look_again(SECOND + 2)
    assert not table.has_waiting
    known = json.loads(decision.identity)
    assert (known["service"], known["instance"]) == ("cart", "cart")
    assert known["container"] == {"id": ID, "name": "cart", "runtime": "docker", "image": "shop/cart"}


def test_the_wait_is_bounded_and_ends_with_what_is_known(machine, runtime):
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    assert told(table.look_again(SECOND + WAIT - 1)) == []
    [decision] = table.look_again(SECOND + WAIT)
    known = json.loads(decision.identity)
    assert (known["service"], known["instance"]) == ("httpd", ID[:12])
    assert not table.has_waiting
    runtime.answer(Container(ID, "cart"))
    assert told(table.look_again(SECOND + WAIT + 1)) == [(10, True, "cart")]


def test_a_name_that_is_known_already_is_not_waited_for(machine, runtime):
    runtime.answer(Container(ID, "cart"))
    assert told(a_table(machine, runtime).handle([begin(10)])) == [(10, True, "cart")]


def test_a_container_that_no_runtime_knows_is_told_by_its_id(machine, runtime):
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    runtime.answer(None)
    assert told(table.look_again(SECOND + 1)) == [(10, True, "httpd")]


def test_a_process_that_ended_meanwhile_gets_its_name_all_the_same(machine, runtime):
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    machine.living.remove(10)
    assert told(table.handle([("exit", 10, 1, SECOND + 1, "", "", 0, [])])) == []
    assert table.has_waiting
    runtime.answer(Container(ID, "cart"))
    assert told(table.look_again(SECOND + 2)) == [(10, True, "cart")]
    assert (len(table), table.has_waiting) == (0, False)


def test_a_child_of_a_waiting_process_waits_too(machine, runtime):
    table = a_table(machine, runtime)
    assert told(table.handle([begin(10), ("fork", 11, 10, SECOND + 1, "", "", 0, [])])) == []
    runtime.answer(Container(ID, "cart"))
    assert told(table.look_again(SECOND + 2)) == [(10, True, "cart"), (11, True, "cart")]


def test_who_is_excluded_whatever_its_name_is_not_held(machine, runtime):
    table = a_table(machine, runtime, RuleLine("exclude", Rule(exe="httpd")))
    assert told(table.handle([begin(10)])) == [(10, False, None)]


def test_who_may_be_excluded_by_name_is_held_until_that_is_known(machine, runtime):
    table = a_table(machine, runtime, RuleLine("exclude", Rule(image="secret/*")))
    assert told(table.handle([begin(10)])) == []
    runtime.answer(Container(ID, "cart", image="secret/cart"))
    assert told(table.look_again(SECOND + 1)) == [(10, False, None)]


def test_a_process_gone_before_it_was_looked_at_is_where_its_parent_is(machine, runtime):
    runtime.answer(Container(ID, "cart"))
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    gone = ("exec", 99, 10, SECOND + 1, "wget", "/bin/wget", 0, ["wget"])
    assert told(table.handle([gone, ("exit", 99, 10, SECOND + 2, "", "", 0, [])])) == [(99, True, "cart")]


def test_a_name_that_changes_is_told_once(machine, runtime):
    runtime.answer(Container(ID, "cart"))
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    assert told(table.look_again(SECOND + 1)) == []
    runtime.answer(Container(ID, "basket"))
    assert told(table.look_again(SECOND + 2)) == [(10, True, "basket")]
    assert told(table.look_again(SECOND + 3)) == []


def test_a_process_of_a_runtime_that_was_gone_at_once_lends_its_program_no_service(machine, runtime):
    """The runtime moves it into the container between two execs: its parent's place is not its own."""
    table = a_table(machine, runtime)
    runtime.answer(Container(ID, "cart"))
    machine.maybe_process = lambda pid: None
    start = ("exec", 20, 1, SECOND, "runc:[2:INIT]", "/proc/self/fd/6", 0, [])
    gone = ("exec", 20, 1, SECOND + 1, "wget", "/bin/wget", 0, ["wget"])
    list(table.handle([start]))
    [decision] = table.handle([gone])
    known = json.loads(decision.identity)
    assert "service" not in known
    assert known["executable"] == "/bin/wget"


def test_a_dead_process_that_version_1_shows_in_the_root_is_where_its_parent_is(machine, runtime):
    runtime.answer(Container(ID, "cart"))
    table = a_table(machine, runtime)
    list(table.handle([begin(10)]))
    alive = machine.maybe_process(11)
    alive.parent = 10
    looks = iter([alive])
    machine.maybe_process = lambda pid: next(looks, None)  # once there, then gone
    machine.maybe_text = lambda pid, name: "0::/\n"
    assert told(table.handle([("exec", 11, 10, SECOND + 1, "", "", 0, [])])) == [(11, True, "cart")]
