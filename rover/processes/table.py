"""Every process that the kernel told of, and what was decided on it.

Takes the kernel's fork, exec and exit events in order and gives decisions back; holds no thread and talks to no kernel
but through /proc. Three facts shape it:
- A fork without exec is the same program: verdict, identity and ports are the parent's, and /proc is not read. (A
  server may fork a child per connection that closes the listening socket.)
- A process may be gone, and its id taken by another, before its event is handled: the start time tells.
- Rules may ask for a port on which a process does not listen yet: it stays undecided for a while, and even afterwards
  it is looked at again whenever a new socket listens on such a port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rover.config.tree import SERVICE_TEMPLATES
from rover.identity import Directory, Who
from rover.identity.place import HOST
from rover.processes.identity import Identity, identify
from rover.processes.listening import Listening
from rover.processes.matching import Ports
from rover.processes.procfs import Process, ProcFs
from rover.processes.rules import Rules, Verdict

_START_SLACK_NS = 20_000_000  # a start time is rounded to the clock tick of 10 ms
_RUNTIMES = ("runc", "crun", "youki")
"""What moves processes into containers; a new container's first process has such a name until it is its program."""
_DEPARTED = 4096
"""The most processes that may have ended before their names came; the engine lets go of what is held for the rest."""

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
    verdict: Verdict | None
    identity: Identity | None
    """As last told; None while it was not."""
    since_ns: int
    """When it became this program."""
    port_deadline_ns: int
    """Until when it may stay undecided for ports that it does not listen on yet."""
    name_deadline_ns: int
    """Until when for names that are not known yet."""
    who: Who
    namespace: str | None = None
    """Its network namespace; read only for rules with ports."""
    ports: frozenset[int] = frozenset()
    """Ports of rules on which it listens or has listened: a server that stops listening still drains."""

    def is_overdue(self, now_ns: int) -> bool:
        return now_ns >= (self.port_deadline_ns if self.who.is_final else self.name_deadline_ns)


@dataclass(frozen=True, slots=True)
class Listed:
    """One process for a person."""

    process: Process
    verdict: Verdict | None
    """None: not decided yet."""
    service: str | None
    who: Who


class ProcessTable:
    """Decides on processes and remembers what it decided."""

    def __init__(
        self,
        rules: Rules,
        instance: str,
        port_wait_ns: int,
        proc: ProcFs | None = None,
        *,
        directory: Directory | None = None,
        name_wait_ns: int = 0,
        templates: Sequence[str] = SERVICE_TEMPLATES,
    ) -> None:
        """`instance`: the node's name. The waits bound how long a process stays undecided."""
        self._rules = rules
        self._instance = instance
        self._port_wait_ns = port_wait_ns
        self._name_wait_ns = name_wait_ns
        self._templates = templates
        self._proc = proc or ProcFs()
        self._directory = directory or Directory()
        self._listening = Listening(self._proc)
        self._entries: dict[int, _Entry] = {}
        self._waiting: set[int] = set()  # pids whose names are to come
        self._departed: list[_Entry] = []  # have ended, and their names are to come
        self._seen_sockets: dict[str, dict[int, int]] = {}  # per network namespace: sockets on ports of rules

    @property
    def has_port_rules(self) -> bool:
        """Whether new sockets have to be looked for."""
        return bool(self._rules.ports)

    @property
    def has_waiting(self) -> bool:
        """Whether there are processes whose names are to come."""
        return bool(self._waiting or self._departed)

    @property
    def watched(self) -> int:
        """Number of processes that are watched."""
        return sum(entry.verdict is not None and entry.verdict.is_watched for entry in self._entries.values())

    def __contains__(self, pid: int) -> bool:
        return pid in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def listed(self) -> list[Listed]:
        """Every process, by pid."""
        return [
            Listed(entry.process, entry.verdict, entry.identity.service if entry.identity else None, entry.who)
            for _, entry in sorted(self._entries.items())
        ]

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
        """Decisions that names, listening sockets or the passing of time have brought. `now_ns`: since boot."""
        yield from self._look_at_names(now_ns)
        if not self._rules.ports:
            return
        fresh = self._namespaces_with_fresh_sockets()
        for entry in list(self._entries.values()):
            is_late = entry.verdict is None and entry.is_overdue(now_ns)
            if entry.namespace in fresh or is_late:
                yield from self._decide(entry, now_ns)

    def _look_at_names(self, now_ns: int) -> Iterator[Decision]:
        changed = self._directory.take_changes()
        for entry in list(self._entries.values()) if changed else ():
            if entry.who.place.container_id in changed or entry.who.place.pod_uid in changed:
                entry.who = self._directory.who(entry.who.place)
                yield from self._decide(entry, now_ns)
        for entry in [self._entries[pid] for pid in self._waiting]:
            if now_ns >= entry.name_deadline_ns:
                yield from self._decide(entry, now_ns)
        for entry in self._departed if self._departed else ():
            entry.who = self._directory.who(entry.who.place)
            yield from self._decide(entry, now_ns)
        self._departed = [entry for entry in self._departed if entry.verdict is None]

    def replace_rules(self, rules: Rules, now_ns: int) -> Iterator[Decision]:
        """Decide on every process anew, by other rules; yields what has changed."""
        self._rules = rules
        for entry in list(self._entries.values()):
            entry.ports = frozenset()
            self._find_namespace(entry)
            yield from self._decide(entry, now_ns)

    def sweep(self, pids: Iterable[int]) -> tuple[list[int], list[int]]:
        """Forget processes that are not among `pids`, which all live; returns them, and those that live unknown.

        Heals what lost events leave behind: entries that nobody removes, processes that nobody decides on."""
        living = set(pids)
        gone = [pid for pid in self._entries if pid not in living]
        for pid in gone:
            self._forget(pid)
        return gone, [pid for pid in living if pid not in self._entries]

    def _inherit(self, pid: int, parent: _Entry, time_ns: int) -> Iterator[Decision]:
        process = Process(
            pid=pid,
            parent=parent.process.pid,
            comm=parent.process.comm,
            start_ns=parent.process.start_ns,
            is_kernel_thread=parent.process.is_kernel_thread,
            executable=parent.process.executable,
            source=self._proc,
            told_place=parent.process.told_place,
        )
        entry = replace(parent, process=process, since_ns=time_ns)
        self._keep(entry)
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
            self._place_as_origin(process)
        elif self._has_died_outside(process):
            process.told_place = None
            self._place_as_origin(process)
        if executable.startswith("/proc/"):
            executable = ""  # a program that starts itself again, by a name that says nothing
        if executable or arguments:
            if executable and process.executable is None and not process.is_kernel_thread:
                process.executable = executable
            process.told_user_id = user_id
            process.told_cmdline = " ".join(arguments) or None
        return process

    def _origin(self, process: Process) -> _Entry | None:
        return self._entries.get(process.pid) or self._entries.get(process.parent)

    def _has_died_outside(self, process: Process) -> bool:
        """Whether it seems to be on the host because it is dead: version 1 of cgroups shows the dead in the root."""
        origin = self._origin(process)
        if origin is None or origin.who.place.container_id is None:
            return False
        return process.maybe_place() in (None, HOST) and self._proc.maybe_process(process.pid) is None

    def _place_as_origin(self, process: Process) -> None:
        """A child is where its parent is, but for the one that a runtime moves into a new container."""
        origin = self._origin(process)
        process.is_from_runtime = origin is not None and origin.process.comm.startswith(_RUNTIMES)
        if origin is not None and not process.is_from_runtime:
            process.told_place = origin.process.told_place

    def _enter(self, process: Process, time_ns: int) -> Iterator[Decision]:
        # Who runs already when rover starts has had its time to listen.
        is_old = process.source is None or process.start_ns + self._port_wait_ns < time_ns
        entry = _Entry(
            process=process,
            verdict=None,
            identity=None,
            since_ns=time_ns,
            port_deadline_ns=time_ns + (0 if is_old else self._port_wait_ns),
            name_deadline_ns=time_ns + (self._name_wait_ns if process.source else 0),
            who=self._directory.who(process.maybe_place() or HOST),
        )
        self._find_namespace(entry)
        self._keep(entry)
        yield from self._decide(entry, time_ns)

    def _find_namespace(self, entry: _Entry) -> None:
        process = entry.process
        if self._rules.ports and entry.namespace is None and process.source and not process.is_kernel_thread:
            entry.namespace = self._listening.maybe_namespace(process.pid)

    def _decide(self, entry: _Entry, now_ns: int) -> Iterator[Decision]:
        process = entry.process
        if entry.namespace is not None and process.source is not None:
            sockets = self._sockets_of_rules(process.pid)
            entry.ports |= self._listening.ports(process.pid, sockets)
        are_names_due = now_ns >= entry.name_deadline_ns
        who = replace(entry.who, is_final=True) if are_names_due else entry.who
        verdict = self._rules.maybe_verdict(process, Ports(entry.ports, now_ns >= entry.port_deadline_ns), who)
        if who.is_final:
            self._waiting.discard(process.pid)
        if verdict is None or (verdict.is_watched and not who.is_final and entry.identity is None):
            return
        if not verdict.is_watched:
            was_excluded = entry.verdict is not None and not entry.verdict.is_watched
            entry.verdict, entry.identity = verdict, None
            if not was_excluded:
                yield self._decision(entry, verdict)
            return
        templates = (verdict.service, *self._templates) if verdict.service else self._templates
        identity = identify(process, who, self._instance, templates)
        is_new = entry.verdict is None or not entry.verdict.is_watched or identity != entry.identity
        entry.verdict, entry.identity = verdict, identity
        if is_new:
            yield self._decision(entry, verdict)

    @staticmethod
    def _decision(entry: _Entry, verdict: Verdict) -> Decision:
        pid = entry.process.pid
        identity = entry.identity.as_json(pid) if verdict.is_watched and entry.identity else None
        return Decision(pid, verdict.is_watched, identity, entry.since_ns)

    def _keep(self, entry: _Entry) -> None:
        pid = entry.process.pid
        self._entries[pid] = entry
        self._waiting.discard(pid)
        if not entry.who.is_final:
            self._waiting.add(pid)

    def _forget(self, pid: int) -> _Entry | None:
        self._waiting.discard(pid)
        return self._entries.pop(pid, None)

    def _exit(self, pid: int) -> Iterator[Decision]:
        entry = self._forget(pid)
        if entry is None or entry.verdict is not None:
            return
        entry.process.source = None
        entry.port_deadline_ns = 0
        yield from self._decide(entry, entry.since_ns)
        if entry.verdict is None and len(self._departed) < _DEPARTED:
            self._departed.append(entry)

    def _sockets_of_rules(self, pid: int) -> dict[int, int]:
        sockets = self._listening.sockets(pid)
        return {inode: port for inode, port in sockets.items() if port in self._rules.ports}

    def _namespaces_with_fresh_sockets(self) -> set[str]:
        """Network namespaces in which, since the last look, a socket began to listen on a port of a rule."""
        representatives = {entry.namespace: pid for pid, entry in self._entries.items() if entry.namespace}
        sockets = {namespace: self._sockets_of_rules(pid) for namespace, pid in representatives.items()}
        before, self._seen_sockets = self._seen_sockets, sockets
        return {name for name, found in sockets.items() if found.keys() - before.get(name, {}).keys()}
