"""The one error of the configuration: a value, a key or a file that cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """The configuration cannot be used. `str()` is one line for a person; `key` and `origin` say what and where."""

    def __init__(self, message: str, *, key: str | None = None, origin: str | None = None) -> None:
        super().__init__(f"{origin}: {message}" if origin else message)
        self.key = key
        self.origin = origin


def maybe_nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant by `name`; None if nothing is like it."""
    names = list(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not found:  # `head_bytes` for `capture.head_bytes`: right word, missing section
        last = name.rpartition(".")[2]
        found = [known_name for known_name in names if known_name.rpartition(".")[2] == last][:1]
    return found[0] if found else None


def unknown_key(name: str, known: Iterable[str], origin: str) -> ConfigError:
    """The error for a key that does not exist: names it and the nearest one that does."""
    nearest = maybe_nearest(name, known)
    hint = f"; did you mean {nearest}?" if nearest else "; `rover config reference` lists all keys"
    return ConfigError(f"unknown key {name}{hint}", key=name, origin=origin)
