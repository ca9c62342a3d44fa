"""Reads a rules file: an ordered list of rules that include, exclude and name processes.

Apart from the configuration, because it is read again while rover runs: an error must leave the rules before it as they
were, so nothing here has an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rover.config.errors import ConfigError, unknown_key
from rover.config.kinds import read_rule, read_template
from rover.config.rules import RuleLine, RulesFile
from rover.config.yaml_file import compose

ACTIONS = ("include", "exclude", "name")
_TOP = ("default", "rules")


def read_rules_file(path: Path) -> RulesFile:
    """The rules of a file. Raises ConfigError with file and line."""
    with compose(path) as (loader, root):
        if root is None:
            return RulesFile()
        is_watched_else = True
        lines: tuple[RuleLine, ...] = ()
        for name, value, origin in _members(root, path, "the file"):
            if name == "default":
                word = loader.construct_object(value, deep=True)
                if word not in ("include", "exclude"):
                    raise ConfigError("default must be include or exclude", key=name, origin=origin)
                is_watched_else = word == "include"
            elif name == "rules":
                lines = _lines(loader, value, path, origin)
            else:
                raise unknown_key(name, _TOP, origin)
        return RulesFile(lines, is_watched_else)


def _lines(loader: yaml.SafeLoader, node: yaml.Node, path: Path, origin: str) -> tuple[RuleLine, ...]:
    if isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
        return ()
    if not isinstance(node, yaml.SequenceNode):
        raise ConfigError("rules must be a list", key="rules", origin=origin)
    return tuple(_line(loader, item, path) for item in node.value)


def _line(loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> RuleLine:
    origin = f"{path}:{node.start_mark.line + 1}"
    action, rule, service = None, None, None
    for name, value, where in _members(node, path, "a rule"):
        if name in ACTIONS:
            if action is not None:
                raise ConfigError(f"a rule can {action} or {name}, not both", key=name, origin=where)
            action, rule = name, _checked(read_rule, loader, value, name, where)
        elif name == "service":
            service = _checked(read_template, loader, value, name, where)
        else:
            raise unknown_key(name, (*ACTIONS, "service"), where)
    if action is None or rule is None:
        raise ConfigError(f"a rule needs one of {', '.join(ACTIONS)}", origin=origin)
    if action == "exclude" and service is not None:
        raise ConfigError("what is excluded needs no service", key="service", origin=origin)
    if action == "name" and service is None:
        raise ConfigError("a rule that names needs a service", key="service", origin=origin)
    return RuleLine(action, rule, service, origin)


def _members(node: yaml.Node, path: Path, what: str) -> list[tuple[str, yaml.Node, str]]:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{what} must be a mapping of keys", origin=f"{path}:{node.start_mark.line + 1}")
    found: list[tuple[str, yaml.Node, str]] = []
    for key, value in node.value:
        origin = f"{path}:{key.start_mark.line + 1}"
        if any(name == str(key.value) for name, _, _ in found):
            raise ConfigError(f"{key.value} is given twice", key=str(key.value), origin=origin)
        found.append((str(key.value), value, origin))
    return found


def _checked(read: Any, loader: yaml.SafeLoader, node: yaml.Node, name: str, origin: str) -> Any:
    try:
        return read(loader.construct_object(node, deep=True))
    except ValueError as error:
        raise ConfigError(f"{name} must be {error}", key=name, origin=origin) from None
