"""Where the rules come from: the configuration, and a rules file that may change while rover runs.

A file that has become unreadable or wrong changes nothing but the log."""

from __future__ import annotations

import logging
import os

from rover.config import ConfigError, RulesFile
from rover.config.tree import Watch
from rover.processes.rules import Rules

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class RulesSource:
    """The rules of a configuration and its rules file, as they are now."""

    def __init__(self, watch: Watch) -> None:
        """Raises ConfigError for rules that cannot be used."""
        self._watch = watch
        self._stamp = self._maybe_stamp()
        self.rules = self._read()

    def maybe_changed(self) -> Rules | None:
        """Other rules, if the file has changed since the last call and is right; a broken one is logged, once."""
        stamp = self._maybe_stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            self.rules = self._read()
        except ConfigError as error:
            log.error("the rules file is broken, the rules before it stay in force error=%s", error)
            return None
        return self.rules

    def _read(self) -> Rules:
        path, file = self._watch.rules_file, RulesFile()
        if path is not None:
            from rover.config.rules_file import read_rules_file  # PyYAML costs 30 ms: only who has a file pays

            file = read_rules_file(path)
        return Rules(self._watch.include, self._watch.exclude, file)

    def _maybe_stamp(self) -> _Stamp | None:
        """What changes with the file. Links are followed: Kubernetes replaces a mounted ConfigMap by moving one."""
        if self._watch.rules_file is None:
            return None
        try:
            found = os.stat(self._watch.rules_file)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
