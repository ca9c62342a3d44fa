"""The live tail: what the store has just written, to each client that follows, as server-sent events.

A client that reads too slowly, or a filter that lets too much through, costs records in its own tail and nothing else:
each client has a bounded queue, the oldest go first, and an event `skipped` tells how many.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice

from rover.backend.store.filter import Filter
from rover.backend.store.short import Stored

CLIENTS = 32
"""Most clients at a time."""
WAITING = 256
"""Most records waiting for one client; at 1.3 KB each a third of a megabyte."""
PAUSE_S = 0.1
"""After each write to a client, so that a fast store does not become a page that redraws without end."""
BEAT_S = 15.0
"""A comment is sent when nothing happened for so long: it finds clients that are gone, and keeps proxies from
closing."""


class Tail:
    """All clients that follow. `publish` is called by the store's writer, the rest by the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followers: set[Follower] = set()
        self._is_closed = False

    def publish(self, stored: Sequence[Stored]) -> None:
        """Offer a batch to every client. Never blocks."""
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.offer(stored)

    def follow(self, wanted: Filter) -> Follower | None:
        """A new client of the running event loop; None when there are too many, or at the end."""
        follower = Follower(wanted, asyncio.get_running_loop())
        with self._lock:
            if self._is_closed or len(self._followers) >= CLIENTS:
                return None
            self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """The client is gone."""
        with self._lock:
            self._followers.discard(follower)

    def close(self) -> None:
        """End all tails and accept no more."""
        with self._lock:
            self._is_closed = True
            followers = list(self._followers)
        for follower in followers:
            follower.end()

    @property
    def clients(self) -> int:
        """How many follow."""
        return len(self._followers)


class Follower:
    """One client: its filter and what waits for it."""

    def __init__(self, wanted: Filter, loop: asyncio.AbstractEventLoop) -> None:
        self._matches = wanted.predicate()
        self._asks_all = wanted == Filter()
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, str]] = deque()
        self._skipped = 0
        self._is_over = False
        self._woken = asyncio.Event()

    def offer(self, stored: Sequence[Stored]) -> None:
        """Keep what matches, the newest WAITING of it. Called in the writer's thread."""
        if self._asks_all:
            matching = [row for _, row in islice(stored, max(0, len(stored) - WAITING), None)]
            skipped = len(stored) - len(matching)
        else:
            matches = self._matches
            matching = [row for short, row in stored if matches(short)]
            skipped = 0
        if not matching:
            return
        with self._lock:
            self._waiting.extend((row[0], row[17]) for row in matching)
            while len(self._waiting) > WAITING:
                self._waiting.popleft()
                skipped += 1
            self._skipped += skipped
        self._wake()

    def end(self) -> None:
        """No more is coming."""
        self._is_over = True
        self._wake()

    async def events(self) -> AsyncIterator[bytes]:
        """The client's event stream, until `end`."""
        yield b"retry: 2000\n\n"
        while not self._is_over:
            try:
                await asyncio.wait_for(self._woken.wait(), BEAT_S)
            except TimeoutError:
                yield b":\n\n"
                continue
            self._woken.clear()
            if text := self._take():
                yield text
                await asyncio.sleep(PAUSE_S)

    def _take(self) -> bytes:
        with self._lock:
            waiting, skipped = list(self._waiting), self._skipped
            self._waiting.clear()
            self._skipped = 0
        parts = [f'event: skipped\ndata: {{"count":{skipped}}}\n\n'] if skipped else []
        parts += [f"id: {row_id}\nevent: exchange\ndata: {record}\n\n" for row_id, record in waiting]
        return "".join(parts).encode()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:
            # The loop has been closed: the server has ended, and this client with it.
            self._is_over = True
