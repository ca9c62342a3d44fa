"""Says in one line that a backend or collector cannot be reached, and in one that it is back; so of spool and file."""

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
        """JSON object `{"oap", "files", "otlp"}`, see the stub of the engine."""
        ...


class LinkWatch:
    """Call `look` about twice a second."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._away_since: dict[str, float] = {}
        self._back_since: dict[str, float] = {}
        self._errors: dict[str, str | None] = {}

    def look(self) -> None:
        """Say what has changed."""
        found = json.loads(self._outputs.outputs())
        for number, link in enumerate(found["oap"]):
            self._look_at_link("backend", str(number), link, f"spooled_records={link['spooled_records']}")
            self._look_at_error("spool", str(number), link["spool_error"])
        for number, link in enumerate(found["otlp"]):
            lost = link["dropped"].get("report_queue_full", 0)
            self._look_at_link("collector", str(number), link, f"dropped_records={lost}")
        for file in found["files"]:
            self._look_at_error("file", file["path"], file["error"] and f"{file['path']}: {file['error']}")

    def _look_at_link(self, what: str, number: str, link: dict[str, Any], account: str) -> None:
        now, away_s, name = time.monotonic(), link["away_seconds"], what + number
        if away_s is not None:
            self._back_since.pop(name, None)
            if away_s >= _AWAY_S and name not in self._away_since:
                self._away_since[name] = now - away_s
                reason = link["last_error"] or "no answer"
                log.warning("%s=unreachable reason=%r records wait until it is back", what, reason)
        elif name in self._away_since and now - self._back_since.setdefault(name, now) >= _STEADY_S:
            away_s = self._back_since[name] - self._away_since.pop(name)
            log.warning("%s=reachable address=%s away_s=%.0f %s", what, link["backend"], away_s, account)

    def _look_at_error(self, what: str, name: str, error: str | None) -> None:
        key = what + name
        before, self._errors[key] = self._errors.get(key), error
        if error is not None and before is None:
            log.warning("%s=failing reason=%r tried again until it works", what, error)
        elif error is None and before is not None:
            log.warning("%s=works_again", what)
