"""Asks the runtimes in a thread of its own, and remembers what they said. A runtime that hangs delays no process."""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from rover.identity.names import Container

_REMEMBERED = 4096
"""Containers that are remembered: some ten times the most that a node runs, for those that come and go."""
_ASKED = 1024
"""Questions that may wait; those beyond are answered as not known, and asked again by the next process."""

log = logging.getLogger(__name__)


class Runtime(Protocol):
    """One runtime behind one socket."""

    name: str

    def maybe_container(self, container_id: str) -> Container | None:
        """The container; None if this runtime does not have it. Raises OSError if it cannot be asked."""

    def close(self) -> None:
        """Let go of the connection."""


class Runtimes:
    """Answers about containers at once, with what is known; learns the rest in its thread."""

    def __init__(self, sockets: Iterable[Path]) -> None:
        self._runtimes = [runtime for path in _existing(sockets) if (runtime := _maybe_runtime(path))]
        self._known: OrderedDict[str, Container | None] = OrderedDict()
        self._asked: set[str] = set()
        self._changed: set[str] = set()
        self._failing: set[str] = set()
        self._questions: queue.Queue[tuple[str, str | None] | None] = queue.Queue(_ASKED)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="rover-runtimes", daemon=True)

    def start(self) -> None:
        """Begin to ask; without a runtime there is nothing to do."""
        if self._runtimes:
            self._thread.start()

    def stop(self) -> None:
        """End the thread, after the question that it is at."""
        if self._thread.is_alive():
            self._questions.put(None)
            self._thread.join()

    def ask(self, container_id: str, runtime: str | None) -> tuple[Container | None, bool]:
        """The container if it is known, and whether the answer is final; one that is not is on its way."""
        with self._lock:
            if container_id in self._known:
                self._known.move_to_end(container_id)
                return self._known[container_id], True
            if not self._runtimes:
                return None, True
            if container_id not in self._asked:
                try:
                    self._questions.put_nowait((container_id, runtime))
                except queue.Full:
                    return None, True
                self._asked.add(container_id)
            return None, False

    def take_changes(self) -> frozenset[str]:
        """Ids of containers that were answered since the last call."""
        with self._lock:
            changed, self._changed = self._changed, set()
        return frozenset(changed)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            container_id, runtime = question
            found = self._find(container_id, runtime)
            with self._lock:
                self._asked.discard(container_id)
                self._known[container_id] = found
                self._changed.add(container_id)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        for each in self._runtimes:
            each.close()

    def _find(self, container_id: str, runtime: str | None) -> Container | None:
        # The one that the cgroup names goes first. It may not tell, and docker's containers are containerd's too.
        for each in sorted(self._runtimes, key=lambda each: each.name != runtime):
            try:
                found = each.maybe_container(container_id)
            except OSError as error:
                if each.name not in self._failing:
                    self._failing.add(each.name)
                    log.warning("a container runtime does not answer runtime=%s error=%s", each.name, error)
                continue
            self._failing.discard(each.name)
            if found is not None:
                return found
        return None


def _existing(paths: Iterable[Path]) -> Iterable[Path]:
    """Sockets that are there, each once: /var/run is mostly a link to /run."""
    return dict.fromkeys(path.resolve() for path in paths if _is_socket(path))


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:  # a folder that may not be looked into
        return False


def _maybe_runtime(path: Path) -> Runtime | None:
    """By the name of the socket, as its package calls it."""
    if "docker" in path.name or "podman" in path.name:
        from rover.identity.runtimes.docker import Docker

        return Docker(path, "podman" if "podman" in path.name else "docker")
    try:
        from rover.identity.runtimes.containerd import Containerd
        from rover.identity.runtimes.cri import Cri
    except ImportError as error:  # no gRPC for this interpreter
        log.warning("a container runtime cannot be asked socket=%s error=%s", path, error)
        return None
    return Containerd(path) if "containerd" in path.name else Cri(path)
