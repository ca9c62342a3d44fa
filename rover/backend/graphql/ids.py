"""Ids of entities as OAP makes them: base64 of the name and a mark of the kind of service, joined by `_` and `-`."""

from __future__ import annotations

import base64
import binascii

from rover.backend.metrics import Node

REAL = "1"
CONJECTURED = "0"
"""A peer without a name, known by its address."""


def service_id(name: str, *, is_real: bool = True) -> str:
    """Id of a service."""
    return f"{_encoded(name)}.{REAL if is_real else CONJECTURED}"


def member_id(service: str, name: str) -> str:
    """Id of an instance or endpoint of a service."""
    return f"{service_id(service)}_{_encoded(name)}"


def node_id(node: Node) -> str:
    """Id of a node of a topology."""
    if node.instance is not None:
        return member_id(node.service, node.instance)
    return service_id(node.service, is_real=node.is_real)


def service_name(id_: str) -> str:
    """Name in a service's id. Raises ValueError: it is none."""
    encoded, separator, mark = id_.rpartition(".")
    if not separator or mark not in (REAL, CONJECTURED):
        raise ValueError(f"{id_!r} is no id of a service")
    return _decoded(encoded)


def member_names(id_: str) -> tuple[str, str]:
    """Names of the service and of its member in an instance's or endpoint's id. Raises ValueError: it is none."""
    service, separator, encoded = id_.partition("_")
    if not separator:
        raise ValueError(f"{id_!r} is no id of an instance or endpoint")
    return service_name(service), _decoded(encoded)


def _encoded(name: str) -> str:
    return base64.b64encode(name.encode()).decode() if name else "_blank"


def _decoded(text: str) -> str:
    if text == "_blank":
        return ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{text!r} is no base64 of a name") from error
