"""Keeps a copy of one kind of object: list, then watch from the list's version on, for as long as it runs.

What ends a watch and what follows: the server ends it (go on from the last version), 410 Gone (list again), 401 (read
the token again), anything else (wait, longer each time, with jitter). Bookmarks keep the version young while nothing
happens, so that a restarted server or a compacted history seldom costs a list."""

from __future__ import annotations

import logging
import random
import threading
from typing import Any, Protocol

import msgspec

from rover.kube.api import Api, KubernetesError, Parameters
from rover.kube.objects import Event, Object, Page, Status, decoder

_PAGE = 500
_WATCH_S = 240
"""How long one watch lasts; the server's own default is random between 30 and 60 minutes."""
_SILENCE_S = 90.0
"""Bookmarks come once a minute: a server that is silent for longer hangs."""
_BACKOFF_S = (0.2, 30.0)
_AFTER_S = 5.0
"""The longest wait for another list: it may be forbidden."""
_GONE = 410
_EXPIRED = 401

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes objects. Called from the reflector's thread alone."""

    def put(self, found: Any) -> None:
        """An object as it is now."""

    def remove(self, uid: str) -> None:
        """An object that is gone."""

    def uids(self) -> set[str]:
        """Those that are kept."""

    def synced(self) -> None:
        """A list has been taken in whole."""


class Reflector:
    """One thread for one kind of object."""

    def __init__(
        self,
        api: Api,
        path: str,
        kind: Any,
        sink: Sink,
        parameters: Parameters | None = None,
        after: Reflector | None = None,
    ) -> None:
        """`kind`: a struct of `objects`; `parameters`: selectors; `after`: whose list should be there first."""
        self._after = after
        self._api = api
        self._path = path
        self._sink = sink
        self._parameters = parameters or []
        self._object, self._page, self._event = decoder(kind), decoder(Page), decoder(Event)
        self._status, self._any = decoder(Status), decoder(Object)
        self._version = ""
        self._failures = 0
        self.has_listed = threading.Event()
        """Set once there has been a complete list."""
        self.lists = 0
        """Complete lists so far."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rover-{path.rpartition('/')[2][:9]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Try nothing more."""
        self._stopping.set()

    def stop(self) -> None:
        """End, once the `Api` is closed."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        if self._after is not None:
            self._after.has_listed.wait(_AFTER_S)
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
                self._failures = 0
            except KubernetesError as error:
                self._fail(error)
            except msgspec.MsgspecError as error:
                self._fail(KubernetesError(f"{self._path}: {error}"))
            except Exception:  # a sink's defect must not end what the rest lives from
                log.exception("an object of the API could not be taken path=%s", self._path)
                self._fail(KubernetesError(self._path))

    def _fail(self, error: KubernetesError) -> None:
        if self._stopping.is_set():
            return
        if error.status == _GONE:
            self._version = ""
            log.info("the API has forgotten that version, list again path=%s", self._path)
        elif error.status == _EXPIRED:
            try:
                self._api.renew()
            except KubernetesError as again:
                error = again
        if self._failures in (1, 8) or (self._failures and self._failures % 64 == 0):
            log.warning("the Kubernetes API does not answer error=%s tries=%d", error, self._failures + 1)
        least, most = _BACKOFF_S
        wait_s = min(most, least * 2 ** min(self._failures, 10))
        self._failures += 1
        self._stopping.wait(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)

    def _list(self) -> None:
        seen: set[str] = set()
        more: Parameters = []
        while True:
            page = self._page.decode(self._api.get(self._path, [*self._parameters, ("limit", str(_PAGE)), *more]))
            for raw in page.items or ():
                found = self._object.decode(raw)
                seen.add(found.metadata.uid)
                self._sink.put(found)
            if not page.metadata.continue_:
                break
            more = [("continue", page.metadata.continue_)]
        for uid in self._sink.uids() - seen:
            self._sink.remove(uid)
        self._version = page.metadata.resourceVersion
        self.lists += 1
        self._sink.synced()
        self.has_listed.set()

    def _watch(self) -> None:
        parameters = [
            *self._parameters,
            ("resourceVersion", self._version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(_WATCH_S)),
        ]
        for line in self._api.watch(self._path, parameters, _SILENCE_S):
            if self._stopping.is_set():
                return
            event = self._event.decode(line)
            if event.type == "ERROR":
                status = self._status.decode(event.object)
                raise KubernetesError(f"{self._path}: {status.reason}: {status.message}", status.code)
            found = (self._any if event.type == "BOOKMARK" else self._object).decode(event.object)
            if event.type == "DELETED":
                self._sink.remove(found.metadata.uid)
            elif event.type != "BOOKMARK":
                self._sink.put(found)
            self._version = found.metadata.resourceVersion
            self._failures = 0
