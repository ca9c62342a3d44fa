"""Every process that the kernel told of, and what was decided on it.

Takes the kernel's fork, exec and exit events in order and gives decisions back; holds no thread and talks to no kernel
but through /proc. Three facts shape it:
- A fork without exec is the same program: verdict, identity and ports are the parent's, and /proc is not read. (A
  server may fork a child per connection that closes the listening socket.)
- A process may be gone, and its id taken by another, before its event is handled: the start time tells.
- Rules may ask for a port on which a process does not listen yet: it stays undecided for a while, and even afterwards
  it is looked at again whenever a new socket listens on such a port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rover.processes.identity import Identity, identify
from rover.processes.listening import Listening
from rover.processes.procfs import Process, ProcFs
from rover.processes.rules import Ports, Rules

_START_SLACK_NS = 20_000_000  # a start time is rounded to the clock tick of 10 ms

Event = tuple[str, int, int, int, str, str, int, list[str]]
"""`("fork" | "exec" | "exit", pid, parent, time_ns, comm, executable, uid, arguments)`, as the engine hands it out.

What exec was called with, in words of the kernel: empty for other events and for processes that ran before rover."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the engine is told about a process."""

    pid: int
    is_watched: bool
    identity: str | None
    since_ns: int
    """Time of the fork or exec that it is about: the process may have become another program since."""


@dataclass(slots=True)
class _Entry:
    process: Process
    verdict: bool | None
    identity: Identity
    since_ns: int
    """When it became this program."""
    deadline_ns: int
    """Until when it may stay undecided."""
    namespace: str | None = None
    """Its network namespace; read only for rules with ports."""
    ports: frozenset[int] = frozenset()
    """Ports of rules on which it listens or has listened: a server that stops listening still drains."""


class ProcessTable:
    """Decides on processes and remembers what it decided."""

    def __init__(self, rules: Rules, instance: str, port_wait_ns: int, proc: ProcFs | None = None) -> None:
        self._rules = rules
        self._instance = instance
        self._port_wait_ns = port_wait_ns
        self._proc = proc or ProcFs()
        self._listening = Listening(self._proc)
        self._entries: dict[int, _Entry] = {}
        self._seen_sockets: dict[str, dict[int, int]] = {}  # per network namespace: sockets on ports of rules

    @property
    def has_port_rules(self) -> bool:
        """Whether `look_again` has anything to do."""
        return bool(self._rules.ports)

    @property
    def watched(self) -> int:
        """Number of processes that are watched."""
        return sum(entry.verdict is True for entry in self._entries.values())

    @property
    def undecided(self) -> int:
        """Number of processes whose data is held."""
        return sum(entry.verdict is None for entry in self._entries.values())

    def __contains__(self, pid: int) -> bool:
        return pid in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def handle(self, events: Iterable[Event]) -> Iterator[Decision]:
        """What follows from these events, in their order.

        Where a fork is followed by an exec the fork's decision is left out: it would come when the engine already asks
        for the new program's, and be taken for it."""
        events = list(events)
        last_begin = {event[1]: number for number, event in enumerate(events) if event[0] != "exit"}
        for number, event in enumerate(events):
            decisions = self._decide_on(event)
            if event[0] == "exit" or last_begin[event[1]] == number:
                yield from decisions
            else:
                for _ in decisions:
                    pass  # the table still learns of it: a child may have been forked in between

    def _decide_on(self, event: Event) -> Iterator[Decision]:
        kind, pid, parent = event[:3]
        if kind == "exit":
            yield from self._exit(pid)
        elif kind == "fork" and self._rules.is_inherited and parent in self._entries:
            yield from self._inherit(pid, self._entries[parent], event[3])
        else:
            yield from self._enter(self._look(event), event[3])

    def look_again(self, now_ns: int) -> Iterator[Decision]:
        """Decisions that listening sockets or the passing of time have brought. `now_ns`: since boot."""
        if not self._rules.ports:
            return
        fresh = self._namespaces_with_fresh_sockets()
        for entry in list(self._entries.values()):
            is_late = now_ns >= entry.deadline_ns
            if entry.namespace in fresh or (is_late and entry.verdict is None):
                yield from self._decide(entry, is_final=is_late)

    def sweep(self, pids: Iterable[int]) -> list[int]:
        """Forget processes that are not among `pids`, which all live; returns those among them that are not known.

        Heals what lost events leave behind: entries that nobody removes, processes that nobody decides on."""
        living = set(pids)
        for pid in [pid for pid in self._entries if pid not in living]:
            del self._entries[pid]
        return [pid for pid in living if pid not in self._entries]

    def _inherit(self, pid: int, parent: _Entry, time_ns: int) -> Iterator[Decision]:
        process = Process(
            pid=pid,
            parent=parent.process.pid,
            comm=parent.process.comm,
            start_ns=parent.process.start_ns,
            is_kernel_thread=parent.process.is_kernel_thread,
            executable=parent.process.executable,
            source=self._proc,
        )
        entry = replace(parent, process=process, since_ns=time_ns)
        self._entries[pid] = entry
        if entry.verdict is not None:
            yield self._decision(entry, entry.verdict)

    def _look(self, event: Event) -> Process:
        """The process of an event: from /proc, or from the event's own words if it is gone."""
        _, pid, parent, time_ns, comm, executable, user_id, arguments = event
        process = self._proc.maybe_process(pid)
        if process is None or process.start_ns > time_ns + _START_SLACK_NS:
            process = Process(
                pid=pid, parent=parent, comm=comm, start_ns=time_ns, is_kernel_thread=False, executable=None
            )
        if executable:
            if process.executable is None and not process.is_kernel_thread:
                process.executable = executable
            process.told_user_id = user_id
            process.told_cmdline = " ".join(arguments) or None
        return process

    def _enter(self, process: Process, time_ns: int) -> Iterator[Decision]:
        identity = identify(process, self._instance)
        entry = _Entry(process, None, identity, time_ns, time_ns + self._port_wait_ns)
        self._entries[process.pid] = entry
        if self._rules.ports and process.source and not process.is_kernel_thread:
            entry.namespace = self._listening.maybe_namespace(process.pid)
        # Who runs already when rover starts has had its time to listen.
        is_old = process.start_ns + self._port_wait_ns < time_ns
        yield from self._decide(entry, is_final=is_old or process.source is None)

    def _decide(self, entry: _Entry, *, is_final: bool) -> Iterator[Decision]:
        if entry.namespace is not None and entry.process.source is not None:
            sockets = self._sockets_of_rules(entry.process.pid)
            entry.ports |= self._listening.ports(entry.process.pid, sockets)
        verdict = self._rules.maybe_verdict(entry.process, Ports(entry.ports, is_final))
        if verdict is not None and verdict is not entry.verdict:
            entry.verdict = verdict
            yield self._decision(entry, verdict)

    @staticmethod
    def _decision(entry: _Entry, verdict: bool) -> Decision:
        pid = entry.process.pid
        return Decision(pid, verdict, entry.identity.as_json(pid) if verdict else None, entry.since_ns)

    def _exit(self, pid: int) -> Iterator[Decision]:
        entry = self._entries.pop(pid, None)
        if entry is not None and entry.verdict is None:
            entry.process.source = None
            yield from self._decide(entry, is_final=True)

    def _sockets_of_rules(self, pid: int) -> dict[int, int]:
        sockets = self._listening.sockets(pid)
        return {inode: port for inode, port in sockets.items() if port in self._rules.ports}

    def _namespaces_with_fresh_sockets(self) -> set[str]:
        """Network namespaces in which, since the last look, a socket began to listen on a port of a rule."""
        representatives = {entry.namespace: pid for pid, entry in self._entries.items() if entry.namespace}
        sockets = {namespace: self._sockets_of_rules(pid) for namespace, pid in representatives.items()}
        before, self._seen_sockets = self._seen_sockets, sockets
        return {name for name, found in sockets.items() if found.keys() - before.get(name, {}).keys()}
