"""Kinds of entities, as they are numbered in the store and by the native side."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What figures are of. A relation is told by either end; the two are kept apart."""

    SERVICE = 1
    INSTANCE = 2
    ENDPOINT = 3
    CLIENT_RELATION = 4
    SERVER_RELATION = 5
    CLIENT_INSTANCE_RELATION = 6
    SERVER_INSTANCE_RELATION = 7
    ADDRESS = 8
    """A peer without a name, known by its address; it has relations and no figures of its own."""


SECOND_NS = 10**9
MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400
STEPS_S = (MINUTE_S, 600, HOUR_S, 21_600, DAY_S)
"""Lengths of steps, each a multiple of the one before: a span is read by few long ones and, at its ends, short ones.
Ten minutes are kept as long as minutes, six hours as long as hours."""

OTHER = "(other)"
"""Name of all that is beyond a bound."""
UNKNOWN = "(unknown)"
"""Service of processes without a name, and peer of which not even the address is known."""
