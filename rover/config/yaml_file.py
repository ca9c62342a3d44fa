"""Reads a YAML file into values by full key name, each with the line it stands on.

Works on YAML nodes instead of plain objects, because an error must name the line, and because a key given twice is a
mistake that plain loading hides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rover.config.errors import ConfigError, unknown_key
from rover.config.tree import KEYS

_SECTIONS = {name.rpartition(".")[0] for name in KEYS} | {name.split(".")[0] for name in KEYS}
_MOST_BYTES = 1 << 20  # no configuration is that long; a path that names a log or a device would fill the memory


def read_file(path: Path) -> dict[str, tuple[Any, str]]:
    """Checked values and their origins (`FILE:LINE`) by full key name.

    Raises ConfigError for a file that cannot be read or is no YAML, an unknown key, a value of the wrong kind."""
    with compose(path) as (loader, root):
        found: dict[str, tuple[Any, str]] = {}
        if root is not None:
            _read_section(loader, root, "", path, found)
        return found


@contextmanager
def compose(path: Path) -> Iterator[tuple[yaml.SafeLoader, yaml.Node | None]]:
    """The root node of a file, and the loader that makes values of nodes; for a `with` block that does so.

    Raises ConfigError for a file that cannot be read or is no YAML, also for what the block finds of that kind."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ConfigError("longer than 1 MiB: not a configuration", origin=str(path))
        text = raw.decode()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", origin=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", origin=str(path)) from error
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:  # a character that no YAML may hold
        raise ConfigError("is not valid YAML", origin=str(path)) from error
    try:
        yield loader, loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"is not valid YAML: {error.problem}", origin=f"{path}{line}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError("is not valid YAML", origin=str(path)) from error
    finally:
        loader.dispose()


def _read_section(
    loader: yaml.SafeLoader, node: yaml.Node, prefix: str, path: Path, found: dict[str, tuple[Any, str]]
) -> None:
    where = f"{path}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
        return  # a section with everything commented out
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{prefix.rstrip('.') or 'the file'} must be a mapping of keys", origin=where)
    for key_node, value_node in node.value:
        name = prefix + str(key_node.value)
        origin = f"{path}:{key_node.start_mark.line + 1}"
        if name in _SECTIONS:
            _read_section(loader, value_node, name + ".", path, found)
            continue
        if name not in KEYS:
            raise unknown_key(name, [*KEYS, *_SECTIONS], origin)
        if name in found:
            raise ConfigError(f"{name} is given twice, first in {found[name][1]}", key=name, origin=origin)
        found[name] = (_read_value(loader, value_node, name, origin), origin)


def _read_value(loader: yaml.SafeLoader, node: yaml.Node, name: str, origin: str) -> Any:
    try:
        value = loader.construct_object(node, deep=True)
    except (
        Exception
    ) as error:  # what PyYAML's constructors raise depends on the tag: `!!timestamp no` an AttributeError
        raise ConfigError(f"{name} is not valid YAML", key=name, origin=origin) from error
    try:
        return KEYS[name].kind.read(value)
    except ValueError as error:
        raise ConfigError(f"{name} must be {error}", key=name, origin=origin) from None
