"""Builds the configuration once: defaults < file < environment < flags."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover.config.errors import ConfigError, maybe_nearest
from rover.config.kinds import from_text
from rover.config.tree import KEYS, Config, build, walk

DEFAULT_FILE = Path("/etc/rover/rover.yaml")
"""Read when no file is named, if it exists."""

_VARIABLES = {key.variable: key for key in KEYS.values()}
# Kubernetes sets such variables in every pod for a service called "rover"; they are not meant for us.
_SERVICE_LINK = re.compile(
    r"ROVER(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP)(_[A-Z]+)?)?)"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, and for each key that is not at its default where its value comes from."""

    config: Config
    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def override(self, flags: Mapping[str, tuple[Any, str]]) -> Loaded:
        """The same with these values on top: typed, with the flag's spelling, by full key name. Raises ConfigError."""
        return self._with(_read_flags(flags))

    def changed(self, other: Loaded) -> list[str]:
        """Full names of the keys whose values differ in the other one."""
        mine, others = _by_name(self.config), _by_name(other.config)
        return [name for name, value in mine.items() if others[name] != value]

    def taking(self, other: Loaded, names: Iterable[str]) -> Loaded:
        """The same with the values and origins that the other one has for these keys."""
        values, origins = dict(self.values), dict(self.origins)
        for name in names:
            for mine, others in ((values, other.values), (origins, other.origins)):
                mine.pop(name, None)
                if name in others:
                    mine[name] = others[name]
        return Loaded(build(values), values, origins)

    def _with(self, found: Mapping[str, tuple[Any, str]]) -> Loaded:
        values = {**self.values, **{name: value for name, (value, _) in found.items()}}
        origins = {**self.origins, **{name: origin for name, (_, origin) in found.items()}}
        return Loaded(build(values), values, origins)


def _by_name(config: Config) -> dict[str, Any]:
    return {name: value for name, value, key in walk(config) if key is not None}


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[Any, str]] | None = None,
) -> Loaded:
    """The configuration of `file` (or of the default file, if there), these variables and these flags.

    Raises ConfigError."""
    loaded = Loaded(Config(), {}, {})
    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    if file is not None:
        from rover.config.yaml_file import read_file  # PyYAML costs 30 ms: only who has a file pays

        loaded = loaded._with(read_file(file))
    return loaded._with(_read_environment(environment or {})).override(flags or {})


def _read_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for variable, text in environment.items():
        if not variable.startswith("ROVER_"):
            continue
        key = _VARIABLES.get(variable)
        if key is None:
            if not _SERVICE_LINK.fullmatch(variable):
                log.warning(
                    "unknown variable ignored name=%s nearest=%s", variable, maybe_nearest(variable, _VARIABLES)
                )
            continue
        try:
            found[key.name] = (from_text(key.kind, text), variable)
        except ValueError as error:
            raise ConfigError(f"{key.name} must be {error}", key=key.name, origin=variable) from None
    return found


def _read_flags(flags: Mapping[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name, (value, flag) in flags.items():
        try:
            found[name] = (KEYS[name].kind.read(value), flag)
        except ValueError as error:
            raise ConfigError(f"must be {error}", key=name, origin=flag) from None
    return found
