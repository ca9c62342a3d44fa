"""The configuration of rover: one typed tree, read once.

Public surface: `load()` builds a `Loaded` (the `Config` and where each value comes from) or raises `ConfigError`.
`KEYS` is the table of all keys; `rover.config.reference` writes pages from it."""

from rover.config.errors import ConfigError
from rover.config.load import DEFAULT_FILE, Loaded, load
from rover.config.rules import Labels, Rule, RuleLine, RulesFile
from rover.config.tree import KEYS, Config, Key

__all__ = [
    "DEFAULT_FILE",
    "KEYS",
    "Config",
    "ConfigError",
    "Key",
    "Labels",
    "Loaded",
    "Rule",
    "RuleLine",
    "RulesFile",
    "load",
]
