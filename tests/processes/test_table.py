"""Transcripts: what the kernel tells, what is decided."""

from __future__ import annotations

import json

import pytest

from rover.config import Rule
from rover.processes import ProcessTable, Rules
from rover.processes.listening import Listening
from rover.processes.procfs import Process, ProcFs
from rover.processes.table import Decision

SECOND = 1_000_000_000
WAIT = 5 * SECOND


class Machine(ProcFs):
    """A /proc whose processes and sockets the test makes."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")
        self.processes: dict[int, Process] = {}
        self.looks = 0
        self.listening: dict[int, dict[int, int]] = {}  # pid: inode to port

    def add(self, pid: int, name: str, *, start_ns: int = 0, parent: int = 1) -> None:
        self.processes[pid] = Process(
            pid=pid,
            parent=parent,
            comm=name[:15],
            start_ns=start_ns,
            is_kernel_thread=name.startswith("["),
            executable=None if name.startswith("[") else f"/usr/bin/{name}",
            source=self,
        )

    def maybe_process(self, pid: int) -> Process | None:
        self.looks += 1
        return self.processes.get(pid)

    def maybe_text(self, pid: int, name: str) -> str | None:
        return None

    def maybe_link(self, pid: int, name: str) -> str | None:
        return "net:[1]" if name == "ns/net" and pid in self.processes else None


class Sockets(Listening):
    """The listening sockets of such a machine: one namespace."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.machine = machine

    def sockets(self, pid: int) -> dict[int, int]:
        return {inode: port for held in self.machine.listening.values() for inode, port in held.items()}

    def ports(self, pid: int, wanted: dict[int, int]) -> set[int]:
        return {wanted[inode] for inode in self.machine.listening.get(pid, {}) if inode in wanted}


@pytest.fixture
def machine() -> Machine:
    return Machine()


def a_table(machine: Machine, include=(), exclude=()) -> ProcessTable:
    table = ProcessTable(Rules(include, exclude), "node-1", WAIT, machine)
    table._listening = Sockets(machine)
    return table


def fork(pid: int, parent: int, at: int = SECOND):
    return ("fork", pid, parent, at, "", "", 0, [])


def execute(pid: int, at: int = SECOND, name: str = "", arguments=(), uid: int = 0):
    return ("exec", pid, 1, at, name, f"/usr/bin/{name}" if name else "", uid, [name, *arguments])


def leave(pid: int, at: int = SECOND):
    return ("exit", pid, 1, at, "", "", 0, [])


def verdicts(decisions) -> list[tuple[int, bool]]:
    return [(decision.pid, decision.is_watched) for decision in decisions]


def identity(decision: Decision) -> dict:
    return json.loads(decision.identity)


def test_an_exec_is_decided_with_the_identity_of_the_program(machine):
    machine.add(10, "nginx")
    [decision] = a_table(machine).handle([execute(10)])
    assert decision.is_watched
    assert identity(decision) == {
        "service": "nginx",
        "instance": "node-1",
        "process": "nginx",
        "executable": "/usr/bin/nginx",
        "pid": 10,
    }


def test_an_excluded_process_is_told_so_without_identity(machine):
    machine.add(10, "curl")
    assert list(a_table(machine, exclude=[Rule(exe="curl")]).handle([execute(10)])) == [
        Decision(10, False, None, SECOND)
    ]


def test_a_fork_has_its_parents_verdict_and_identity_but_its_own_pid_and_costs_no_look(machine):
    machine.add(10, "nginx")
    table = a_table(machine)
    [parent] = table.handle([execute(10)])
    looks = machine.looks
    [child] = table.handle([fork(11, 10)])
    assert machine.looks == looks
    assert identity(child) == identity(parent) | {"pid": 11}


def test_a_fork_of_an_excluded_process_is_excluded(machine):
    machine.add(10, "curl")
    table = a_table(machine, exclude=[Rule(exe="curl")])
    assert verdicts(table.handle([execute(10), fork(11, 10), fork(12, 11)])) == [(10, False), (11, False), (12, False)]


def test_a_child_is_decided_anew_when_rules_name_pids(machine):
    machine.add(10, "nginx")
    machine.add(11, "nginx", parent=10)
    table = a_table(machine, include=[Rule(pid=10)])
    assert verdicts(table.handle([execute(10), fork(11, 10)])) == [(10, True), (11, False)]


def test_a_fork_of_an_unknown_parent_is_looked_up(machine):
    machine.add(11, "nginx", start_ns=SECOND)
    [decision] = a_table(machine).handle([fork(11, 10)])
    assert identity(decision)["service"] == "nginx"


def test_exec_after_fork_is_a_new_decision(machine):
    machine.add(10, "bash")
    machine.add(11, "curl", parent=10)
    table = a_table(machine, exclude=[Rule(exe="bash")])
    assert verdicts(table.handle([execute(10), fork(11, 10)])) == [(10, False), (11, False)]
    assert verdicts(table.handle([execute(11)])) == [(11, True)]


def test_a_fork_that_an_exec_follows_at_once_is_decided_once_and_last(machine):
    """The engine asks again at the exec: an answer to the fork would be taken for the answer to that."""
    machine.add(10, "bash")
    machine.add(11, "curl", parent=10)
    table = a_table(machine)
    decisions = list(table.handle([execute(10), fork(11, 10), fork(12, 11), execute(11)]))
    assert [(decision.pid, identity(decision)["service"]) for decision in decisions] == [
        (10, "bash"),
        (12, "bash"),
        (11, "curl"),
    ]


def test_a_decision_tells_which_fork_or_exec_it_is_about(machine):
    """The engine ignores what comes after the process has become another program."""
    machine.add(10, "bash")
    machine.add(11, "curl", parent=10)
    table = a_table(machine)
    list(table.handle([execute(10, at=SECOND)]))
    [forked] = table.handle([fork(11, 10, at=2 * SECOND)])
    [executed] = table.handle([execute(11, at=3 * SECOND)])
    assert (forked.since_ns, executed.since_ns) == (2 * SECOND, 3 * SECOND)


def test_a_process_that_is_gone_is_named_by_its_exec_event(machine):
    [decision] = a_table(machine).handle([execute(10, name="curl"), leave(10)])
    assert decision.is_watched
    known = identity(decision)
    assert (known["service"], known["process"], known["executable"]) == ("curl", "curl", "/usr/bin/curl")


def test_a_process_that_is_gone_is_judged_by_what_it_was_started_with(machine):
    table = a_table(machine, exclude=[Rule(cmdline="curl *secret*"), Rule(user="33")])
    events = [
        execute(10, name="curl", arguments=["-s", "http://secret/"]),
        execute(11, name="curl", arguments=["-s", "http://open/"]),
        execute(12, name="curl", uid=33),
    ]
    assert verdicts(table.handle(events)) == [(10, False), (11, True), (12, False)]


def test_a_process_that_is_gone_and_was_not_named_is_watched_without_a_service(machine):
    [decision] = a_table(machine).handle([execute(10)])
    assert identity(decision) == {"instance": "node-1", "pid": 10}


def test_a_pid_taken_by_another_process_does_not_lend_its_name(machine):
    """The event is older than the start of the process that now has the id."""
    machine.add(10, "secret", start_ns=2 * SECOND)
    table = a_table(machine, exclude=[Rule(exe="secret")])
    first, second = [
        *table.handle([execute(10, at=SECOND, name="curl"), leave(10)]),
        *table.handle([execute(10, at=2 * SECOND)]),
    ]
    assert (first.is_watched, identity(first)["service"]) == (True, "curl")
    assert not second.is_watched


def test_a_start_time_rounded_to_the_clock_tick_is_the_same_process(machine):
    machine.add(10, "nginx", start_ns=SECOND + 5_000_000)
    [decision] = a_table(machine).handle([execute(10, at=SECOND)])
    assert identity(decision)["service"] == "nginx"


def test_an_exit_removes_the_process_and_an_unknown_one_is_no_error(machine):
    machine.add(10, "nginx")
    table = a_table(machine)
    list(table.handle([execute(10), leave(10), leave(10), leave(99)]))
    assert len(table) == 0


def test_processes_that_come_and_go_leave_nothing_behind(machine):
    machine.add(1, "init")
    table = a_table(machine)
    list(table.handle([execute(1)]))
    for pid in range(10, 10_010):
        list(table.handle([fork(pid, 1), execute(pid, name="true"), leave(pid)]))
    assert len(table) == 1


def test_who_is_undecided_is_not_counted_as_watched(machine):
    machine.add(10, "nginx")
    machine.add(11, "curl")
    machine.add(12, "server", start_ns=SECOND)
    table = a_table(machine, include=[Rule(exe="nginx"), Rule(exe="server", port=80)])
    list(table.handle([execute(10), execute(11), execute(12)]))
    assert (table.watched, len(table)) == (1, 3)


def test_a_sweep_forgets_the_dead_and_names_the_unknown(machine):
    machine.add(10, "nginx")
    machine.add(11, "nginx")
    table = a_table(machine)
    list(table.handle([execute(10), execute(11)]))
    assert table.sweep([11, 12]) == ([10], [12])
    assert 10 not in table
    assert 11 in table


class TestPorts:
    """Rules that ask for a listening port."""

    def test_a_new_process_is_held_until_it_listens(self, machine):
        machine.add(10, "server", start_ns=SECOND)
        table = a_table(machine, include=[Rule(port=80)])
        assert verdicts(table.handle([execute(10)])) == []
        assert verdicts(table.look_again(SECOND + 1)) == []
        machine.listening[10] = {555: 80}
        assert verdicts(table.look_again(SECOND + 2)) == [(10, True)]
        assert verdicts(table.look_again(SECOND + 3)) == []

    def test_a_process_that_listens_already_is_decided_at_once(self, machine):
        machine.add(10, "server", start_ns=SECOND)
        machine.listening[10] = {555: 80}
        assert verdicts(a_table(machine, include=[Rule(port=80)]).handle([execute(10)])) == [(10, True)]
        assert verdicts(a_table(machine, exclude=[Rule(port=80)]).handle([execute(10)])) == [(10, False)]

    def test_the_wait_ends(self, machine):
        machine.add(10, "client", start_ns=SECOND)
        including, excluding = a_table(machine, [Rule(port=80)]), a_table(machine, exclude=[Rule(port=80)])
        for table in including, excluding:
            assert verdicts(table.handle([execute(10)])) == []
            assert verdicts(table.look_again(SECOND + WAIT - 1)) == []
        assert verdicts(including.look_again(SECOND + WAIT)) == [(10, False)]
        assert verdicts(excluding.look_again(SECOND + WAIT)) == [(10, True)]

    def test_who_begins_to_listen_after_the_wait_is_decided_anew(self, machine):
        machine.add(10, "server", start_ns=SECOND)
        table = a_table(machine, include=[Rule(port=80)])
        list(table.handle([execute(10)]))
        assert verdicts(table.look_again(SECOND + WAIT)) == [(10, False)]
        machine.listening[10] = {555: 80}
        assert verdicts(table.look_again(SECOND + WAIT + 1)) == [(10, True)]

    def test_who_stops_listening_stays_watched(self, machine):
        """A server that reloads drains its connections after closing the listening socket."""
        machine.add(10, "server", start_ns=SECOND)
        machine.listening[10] = {555: 80}
        table = a_table(machine, include=[Rule(port=80)])
        list(table.handle([execute(10)]))
        machine.add(11, "server", start_ns=2 * SECOND)
        machine.listening = {11: {556: 80}}
        list(table.handle([execute(11, at=2 * SECOND)]))
        assert verdicts(table.look_again(SECOND + WAIT)) == []

    def test_a_forked_child_that_closes_the_listening_socket_is_its_parents(self, machine):
        machine.add(10, "server", start_ns=SECOND)
        machine.listening[10] = {555: 80}
        table = a_table(machine, include=[Rule(port=80)])
        list(table.handle([execute(10)]))
        assert verdicts(table.handle([fork(11, 10)])) == [(11, True)]

    def test_a_child_of_an_undecided_process_is_undecided_too(self, machine):
        machine.add(10, "server", start_ns=SECOND)
        table = a_table(machine, include=[Rule(port=80)])
        assert verdicts(table.handle([execute(10), fork(11, 10)])) == []
        machine.listening = {10: {555: 80}, 11: {555: 80}}
        assert verdicts(table.look_again(SECOND + 1)) == [(10, True), (11, True)]

    def test_the_end_of_an_undecided_process_decides(self, machine):
        machine.add(10, "client", start_ns=SECOND)
        including, excluding = a_table(machine, [Rule(port=80)]), a_table(machine, exclude=[Rule(port=80)])
        for table in including, excluding:
            list(table.handle([execute(10)]))
        assert verdicts(including.handle([leave(10)])) == [(10, False)]
        assert verdicts(excluding.handle([leave(10)])) == [(10, True)]

    def test_who_runs_for_long_when_rover_starts_is_not_waited_for(self, machine):
        machine.add(10, "client", start_ns=SECOND)
        assert verdicts(a_table(machine, [Rule(port=80)]).handle([execute(10, at=100 * SECOND)])) == [(10, False)]

    def test_a_kernel_thread_is_not_waited_for(self, machine):
        machine.add(2, "[kthreadd]")
        assert verdicts(a_table(machine).handle([execute(2)])) == [(2, False)]
