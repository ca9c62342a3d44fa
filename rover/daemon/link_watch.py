"""Says in one line that the backend cannot be reached, and in one that it is back; the same of spool and file."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Protocol

_AWAY_S = 2.0
"""A backend that is restarted is back sooner: not worth a line."""
_STEADY_S = 2.0
"""So long it has to be there again before that is said: one that comes and goes is told of once."""

log = logging.getLogger(__name__)


class Outputs(Protocol):
    """What is watched: the engine."""

    def outputs(self) -> str:
        """JSON object `{"oap", "files"}`, see the stub of the engine."""
        ...


class LinkWatch:
    """Call `look` about twice a second."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._away_since: dict[int, float] = {}
        self._back_since: dict[int, float] = {}
        self._errors: dict[str, str | None] = {}

    def look(self) -> None:
        """Say what has changed."""
        found = json.loads(self._outputs.outputs())
        for number, link in enumerate(found["oap"]):
            self._look_at_link(number, link)
            self._look_at_error("spool", str(number), link["spool_error"])
        for file in found["files"]:
            self._look_at_error("file", file["path"], file["error"] and f"{file['path']}: {file['error']}")

    def _look_at_link(self, number: int, link: dict[str, Any]) -> None:
        now, away_s = time.monotonic(), link["away_seconds"]
        if away_s is not None:
            self._back_since.pop(number, None)
            if away_s >= _AWAY_S and number not in self._away_since:
                self._away_since[number] = now - away_s
                reason = link["last_error"] or "no answer"
                log.warning("backend=unreachable reason=%r records wait until it is back", reason)
        elif number in self._away_since and now - self._back_since.setdefault(number, now) >= _STEADY_S:
            away_s = self._back_since[number] - self._away_since.pop(number)
            waiting = link["spooled_records"]
            log.warning("backend=reachable address=%s away_s=%.0f spooled_records=%d", link["backend"], away_s, waiting)

    def _look_at_error(self, what: str, name: str, error: str | None) -> None:
        key = what + name
        before, self._errors[key] = self._errors.get(key), error
        if error is not None and before is None:
            log.warning("%s=failing reason=%r tried again until it works", what, error)
        elif error is None and before is not None:
            log.warning("%s=works_again", what)
