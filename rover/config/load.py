"""Builds the configuration once: defaults < file < environment < flags. No other module reads the environment."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover.config.errors import ConfigError, maybe_nearest
from rover.config.kinds import from_text
from rover.config.tree import KEYS, Config, build

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
    origins: Mapping[str, str]


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[Any, str]] | None = None,
) -> Loaded:
    """The configuration of `file` (or of the default file, if there), these variables and these flags.

    `flags` holds typed values and the flag's spelling by full key name. Raises ConfigError."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(found: Mapping[str, tuple[Any, str]]) -> None:
        for name, (value, origin) in found.items():
            values[name], origins[name] = value, origin

    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    if file is not None:
        from rover.config.yaml_file import read_file  # PyYAML costs 30 ms: only who has a file pays

        take(read_file(file))
    take(_read_environment(environment or {}))
    take(_read_flags(flags or {}))
    return Loaded(build(values), origins)


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
