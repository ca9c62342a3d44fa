"""What a value can be: how the text of a file, a variable or a flag becomes a checked Python value.

A kind knows its name for the reference page, reads values from YAML (already typed) and from text (a variable or flag),
and raises ValueError with the end of a sentence: "… must be <text>"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover.config.rules import RULE_FIELDS, Labels, Rule

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)", re.ASCII)
_URL = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[^\s/:?#@\[\]]+):\d{1,5}(?:/[^\s?#]*)?", re.ASCII)
_FACTORS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of value. `read` checks and converts what YAML yields."""

    name: str
    read: Callable[[Any], Any]
    is_list: bool = False
    is_yaml_text: bool = False  # text from outside a file is read as YAML first: numbers, rules


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text")
    return value


def _path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a path")
    return Path(value).expanduser()


def _bytes(value: Any) -> int:
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        return int(float(found[1]) * _FACTORS[found[2]])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a number of bytes, or one with a unit like 64 KiB")
    return value


def _address(value: Any) -> str:
    wanted = "HOST:PORT, with an IPv6 host in brackets"
    if not isinstance(value, str):
        raise ValueError(wanted)
    host, colon, port = value.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not is_bracketed) or not port.isdecimal() or int(port) > 65535:
        raise ValueError(wanted)
    return value


def _url(value: Any) -> str:
    wanted = "a URL like http://127.0.0.1:4317"
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise ValueError(wanted)
    _address(value.split("/")[2])
    return value


def _port(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError("a port, 1 to 65535")
    return value


def _header(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ValueError("a header name")
    return value.lower()


def _labels(value: Any) -> Labels:
    if not isinstance(value, dict) or not value:
        raise ValueError("a mapping like {app: web}")
    if not all(isinstance(part, str | int | float) for item in value.items() for part in item):
        raise ValueError("a mapping of keys to globs")
    return tuple((str(key), str(glob).lower() if isinstance(glob, bool) else str(glob)) for key, glob in value.items())


_RULE_VALUES: dict[str, Callable[[Any], Any]] = {
    "exe": _text,
    "cmdline": _text,
    "pid": _integer,
    "port": _port,
    "user": lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value),
    "unit": _text,
    "container": _text,
    "image": _text,
    "container_label": _labels,
    "namespace": _text,
    "workload": _text,
    "pod": _text,
    "pod_label": _labels,
    "pod_annotation": _labels,
}


def read_rule(value: Any) -> Rule:
    """A rule from its mapping. Raises ValueError."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"a rule like {{exe: /usr/sbin/nginx}}, made of {', '.join(RULE_FIELDS)}")
    stated = {}
    for name, part in value.items():
        if name not in _RULE_VALUES:
            from rover.config.errors import maybe_nearest

            nearest = maybe_nearest(str(name), RULE_FIELDS)
            hint = f"did you mean {nearest}?" if nearest else f"it has {', '.join(RULE_FIELDS)}"
            raise ValueError(f"a rule, which has no {name}; {hint}")
        try:
            stated[name] = _RULE_VALUES[name](part)
        except ValueError as error:
            raise ValueError(f"a rule whose {name} is {error}") from None
    return Rule(**stated)


TEMPLATE_WORDS = ("service", "workload", "namespace", "pod", "container", "image", "unit", "executable", "node")
"""What a template of a service's name may put in, beside `{label:KEY}` and `{annotation:KEY}` of a pod or container."""

_PLACE = re.compile(r"\{([^{}]*)\}")


def read_template(value: Any) -> str:
    """A template of a service's name. Raises ValueError for a word that it does not have."""
    text = _text(value)
    for word in _PLACE.findall(text):
        kind, colon, key = word.partition(":")
        if not (word in TEMPLATE_WORDS or (kind in ("label", "annotation") and colon and key)):
            known = ", ".join(f"{{{known}}}" for known in TEMPLATE_WORDS)
            raise ValueError(f"a template, which has no {{{word}}}; it has {known}, {{label:KEY}}, {{annotation:KEY}}")
    if set(_PLACE.sub("", text)) & {"{", "}"}:
        raise ValueError("a template with closed braces")
    return text


def _endpoint_pattern(value: Any) -> str:
    text = _text(value)
    if not text.startswith("/") or "**" in text.split("/")[:-1]:
        raise ValueError("a path such as /users/{name}/**, with ** at its end only")
    return text


def _openapi_file(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else _text(value)
    service, equals, file = text.partition("=")
    if not (file if equals else service) or (equals and not service):
        raise ValueError("a file, or SERVICE=FILE, with * in the service for anything")
    return text


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_list(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError("a list")
        items = []
        for number, item in enumerate(value, 1):
            try:
                items.append(read(item))
            except ValueError as error:
                raise ValueError(f"a list whose item {number} is {error}") from None
        return tuple(items)

    return read_list


INTEGER = Kind("integer", _integer, is_yaml_text=True)
BOOLEAN = Kind("true · false", _boolean, is_yaml_text=True)
NUMBER = Kind("number", _number, is_yaml_text=True)
TEXT = Kind("text", _text)
PATH = Kind("path", _path)
SIZE = Kind("size", _bytes, is_yaml_text=True)
ADDRESS = Kind("address", _address)
ADDRESSES = Kind("list of addresses", _list_of(_address), is_list=True)
URLS = Kind("list of URLs", _list_of(_url), is_list=True)
PORTS = Kind("list of ports", _list_of(_port), is_list=True, is_yaml_text=True)
HEADERS = Kind("list of header names", _list_of(_header), is_list=True)
TEMPLATES = Kind("list of templates", _list_of(read_template), is_list=True)
ENDPOINT_PATTERNS = Kind("list of endpoint patterns", _list_of(_endpoint_pattern), is_list=True)
OPENAPI_FILES = Kind("list of SERVICE=FILE", _list_of(_openapi_file), is_list=True)
PATHS = Kind("list of paths", _list_of(_path), is_list=True)
NAMES = Kind("list of names", _list_of(_text), is_list=True)
RULES = Kind("list of rules", _list_of(read_rule), is_list=True, is_yaml_text=True)


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return Kind(" · ".join(words), read)


def with_bounds(kind: Kind, low: float, high: float) -> Kind:
    """The same kind, its value not below `low` and not above `high`."""

    def read(value: Any) -> Any:
        checked = kind.read(value)
        if not low <= checked <= high:
            raise ValueError(f"between {low:g} and {high:g}" if high < 1e6 else f"between {low:.0f} and {high:.0f}")
        return checked

    return Kind(kind.name, read, kind.is_list, kind.is_yaml_text)


def optional(kind: Kind) -> Kind:
    """The same kind, or null for "not set"."""
    return Kind(kind.name, lambda value: None if value is None else kind.read(value), kind.is_list, kind.is_yaml_text)


def from_text(kind: Kind, text: str) -> Any:
    """Checked value from the text of a variable: lists are comma separated, or YAML between brackets."""
    if kind.is_list and not text.lstrip().startswith(("[", "{")):
        items: Sequence[Any] = [item.strip() for item in text.split(",") if item.strip()]
        return kind.read([_yaml(item) for item in items] if kind.is_yaml_text else items)
    if kind.is_yaml_text or kind.is_list:
        value = _yaml(text)
        return kind.read([value] if kind.is_list and isinstance(value, dict) else value)
    return kind.read(None if text in ("", "null") else text)


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("readable as YAML") from None
