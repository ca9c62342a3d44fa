"""What is written from the table of keys: the reference page, the annotated file, and the list of effective values."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from rover.config.load import Loaded
from rover.config.rules import Rule
from rover.config.tree import KEYS, Config, Key, walk

_PAGE_HEAD = """\
# Configuration

Values come from, each overriding the one before: the default, the file (`-c FILE`, else `/etc/rover/rover.yaml` if it
exists), the environment, the command line's flags. Sizes may carry a unit (`64 KiB`). In a variable a list is comma
separated, or YAML in brackets: `ROVER_WATCH_EXCLUDE='[{exe: /usr/bin/curl}]'`.

A running daemon reads all of it again on SIGHUP (`systemctl reload rover`). Keys with ↻ are taken over then; if others
have changed, it names them: they need a restart.

`rover config check FILE` checks a file, `rover config show` prints each effective value and where it comes from.
This page is written by `rover config reference`; [config/rover.yaml](../config/rover.yaml) lists all at their defaults.
"""

_TABLE_HEAD = "| Key | Value | Default | Variable | Meaning |\n|---|---|---|---|---|\n"

_FILE_HEAD = """\
# Configuration of rover: every key at its default, behind a `#` without a space.
# Uncomment what you change, or write a file with only that.
# Written by `rover config reference --format yaml`.
"""


def as_yaml(value: Any) -> str:
    """One value as it stands in a file, on one line."""
    if isinstance(value, tuple):
        return "[" + ", ".join(as_yaml(item) for item in value) + "]"
    if isinstance(value, Rule):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        text = str(value)
        is_plain = text.isascii() and text.replace("/", "").replace("_", "").replace(".", "").replace("-", "").isalnum()
        return text if is_plain and not text[0].isdigit() else json.dumps(text, ensure_ascii=False)
    return str(value)


def page() -> str:
    """The reference page, Markdown."""
    parts = [_PAGE_HEAD]
    for name, section, key in walk(Config()):
        if key is None:
            if any(row.rpartition(".")[0] == name for row in KEYS):
                parts.append(f"\n## {name}\n\n{section.__doc__}\n\n{_TABLE_HEAD}")
        else:
            parts.append(_page_row(KEYS[name]))
    return "".join(parts)


def _page_row(key: Key) -> str:
    unit = f", {key.unit}" if key.unit else ""
    mark = " ↻" if key.is_live else ""
    return (
        f"| `{key.name}`{mark} | {key.kind.name}{unit} | `{as_yaml(key.default)}` | `{key.variable}` | {key.help} |\n"
    )


def annotated_file() -> str:
    """A configuration file with every key at its default, commented out below its explanation."""
    lines = [_FILE_HEAD]
    for name, section, key in walk(Config()):
        indent = "  " * name.count(".")
        if key is None:
            gap = "\n" if "." not in name else ""
            lines.append(f"{gap}{indent}# {section.__doc__}\n{indent}{name.rpartition('.')[2]}:\n")
            continue
        row = KEYS[name]
        unit = f" Unit: {row.unit}." if row.unit else ""
        live = " Taken over on SIGHUP." if row.is_live else ""
        text = f"{row.help}{unit} Value: {row.kind.name}.{live}"
        lines += [f"{indent}# {line}\n" for line in textwrap.wrap(text, 110)]
        lines.append(f"{indent}#{name.rpartition('.')[2]}: {as_yaml(row.default)}\n")
    return "".join(lines)


def effective(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Each key's full name, its value as YAML, and its origin, in the order of the table."""
    return [
        (name, as_yaml(value), loaded.origins.get(name, "default"))
        for name, value, key in walk(loaded.config)
        if key is not None
    ]
