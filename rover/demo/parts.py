"""The programs of the shop. What a machine does not have is left out; the others notice by an address that is empty."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "sources"

Ports = Mapping[str, int]
"""The port of each service that runs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program: a service, or a client if `is_client`."""

    name: str
    """Its service, as rover shall name it."""
    language: str
    says: str
    """What it does, for the terminal."""
    command: Callable[[Path, Ports, float], Sequence[str | Path]]
    """Of the shop's folder, the ports and the seconds of traffic."""
    mark: Callable[[Path], Path]
    """A file that stands in the command line of this program and in no other."""
    needs: tuple[str, ...] = ()
    """Programs without which it is left out."""
    parts: tuple[str, ...] = ()
    """Other parts without which it is left out."""
    is_client: bool = False


def _source(name: str) -> Callable[[Path], Path]:
    return lambda _: SOURCES / name


def _made(name: str) -> Callable[[Path], Path]:
    return lambda folder: folder / name


def _python(name: str, *others: str) -> Callable[[Path, Ports, float], Sequence[str | Path]]:
    """`-I`: whatever is in the environment or in the present folder stays out."""
    return lambda folder, ports, _: [
        sys.executable,
        "-I",
        SOURCES / f"{name}.py",
        str(ports[name]),
        *(_address(ports, other) for other in others),
        folder,
    ]


def _address(ports: Ports, name: str) -> str:
    return f"127.0.0.1:{ports[name]}" if name in ports else ""


PARTS = (
    Part("cache", "Python", "speaks its own protocol over TCP", _python("cache"), _source("cache.py")),
    Part("reviews", "Python", "takes its time", _python("reviews"), _source("reviews.py")),
    Part(
        "payments",
        "Python",
        "HTTPS; fails now and then",
        _python("payments"),
        _source("payments.py"),
        needs=("openssl",),
    ),
    Part(
        "stock",
        "Node.js",
        "gRPC",
        lambda _, ports, __: ["node", SOURCES / "stock.mjs", str(ports["stock"])],
        _source("stock.mjs"),
        needs=("node",),
    ),
    Part(
        "catalog",
        "Go",
        "HTTP/1; asks stock by gRPC",
        lambda folder, ports, _: [folder / "catalog", str(ports["catalog"]), _address(ports, "stock")],
        _made("catalog"),
        needs=("go",),
    ),
    Part(
        "shop",
        "Python",
        "asks all of them",
        _python("shop", "catalog", "reviews", "payments", "cache"),
        _source("shop.py"),
    ),
    Part(
        "storefront",
        "nginx",
        "HTTPS and HTTP/2 for the shop",
        lambda folder, *_: ["nginx", "-p", folder, "-c", folder / "storefront.conf", "-e", folder / "nginx.log"],
        _made("storefront.conf"),
        needs=("nginx", "openssl"),
    ),
    Part(
        "visitors",
        "Python",
        "buy things",
        lambda folder, ports, seconds: [
            sys.executable,
            "-I",
            SOURCES / "visitors.py",
            _address(ports, "storefront"),
            _address(ports, "shop"),
            str(seconds),
            folder,
        ],
        _source("visitors.py"),
        is_client=True,
    ),
    Part(
        "phones",
        "Node.js",
        "look around, by HTTP/2 over TLS",
        lambda folder, ports, seconds: [
            "node",
            SOURCES / "phones.mjs",
            _address(ports, "storefront"),
            str(seconds),
            folder / "cert.pem",
        ],
        _source("phones.mjs"),
        needs=("node",),
        parts=("storefront",),
        is_client=True,
    ),
)
