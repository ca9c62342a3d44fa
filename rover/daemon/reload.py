"""Another configuration while the daemon runs: what can be taken over is, the rest is named.

All is read and checked before anything changes, so that a broken file leaves the daemon as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from rover.config import KEYS, Config, ConfigError, Loaded

Prepare = Callable[[Config], Callable[[], None]]
"""Checks a configuration and returns what takes it over. Raises ConfigError, and then has changed nothing."""

_ANSWER = {"is_answer": True}
"""Whoever sends the signal wants to read what came of it, each time."""

log = logging.getLogger(__name__)


class Reloader:
    """Reads the configuration again when asked to."""

    def __init__(self, loaded: Loaded, again: Callable[[], Loaded]) -> None:
        """`again` reads file, environment and flags as at the start. Raises ConfigError."""
        self._loaded = loaded
        self._again = again
        self._preparers: list[tuple[tuple[str, ...], Prepare]] = []
        self.counts = {"done": 0, "failed": 0}
        """Reloads by outcome."""

    def on_change(self, keys: Iterable[str], prepare: Prepare) -> None:
        """Prepare and take over when a key below one of these has changed; without keys each time."""
        self._preparers.append((tuple(keys), prepare))

    def reload(self) -> None:
        """Take over what can be; whatever is wrong is one line of the log."""
        try:
            fresh = self._again()
            changed = self._loaded.changed(fresh)
            live = [name for name in changed if KEYS[name].is_live]
            next_one = self._loaded.taking(fresh, live)
            steps = [
                prepare(next_one.config)
                for keys, prepare in self._preparers
                if not keys or any(name.startswith(keys) for name in live)
            ]
        except ConfigError as error:
            self.counts["failed"] += 1
            log.error("the configuration is broken, the values before it stay in force error=%s", error, extra=_ANSWER)
            return
        for step in steps:
            step()
        self._loaded = next_one
        self.counts["done"] += 1
        log.info("configuration read again changed=%s", ",".join(live) or "nothing", extra=_ANSWER)
        if waiting := [name for name in changed if name not in live]:
            log.warning("needs a restart: %s", ", ".join(waiting), extra=_ANSWER)
