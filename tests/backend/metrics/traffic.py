"""Messages as an agent of OAP's protocol sends them: generated, reproducible, and of any number."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from tests.wire import messages

BOOT_S = 7
START_S = int(time.time()) // 60 * 60 - 20 * 60
"""First minute of the traffic."""
MINUTES = 10
SERVICES = ["web.shop", "cart.shop", "stock.shop", "pay.bank", "mail"]
PATHS = ["/", "/items/{}", "/items/{}/reviews", "/orders", "/health"]
STATUSES = [200] * 12 + [204, 304, 404, 403, 500, 503, 101, 0]


def stream(count: int, seed: int = 1) -> Iterator[Any]:
    """`count` messages, the first with its node; each tells its connection. Their minutes are between START_S and ten
    minutes later, in no order."""
    draw = random.Random(seed)
    node = {"name": "n", "bootTime": {"seconds": START_S - BOOT_S}}
    for number in range(count):
        parts: dict[str, Any] = {"node": node} if not number else {}
        yield messages.new("AccessLog", **parts, **_message(draw))


def _message(draw: random.Random) -> dict[str, Any]:
    at_ns = (BOOT_S + draw.randrange(60 * MINUTES)) * 10**9 + draw.randrange(10**9)
    local, remote = draw.sample(SERVICES, 2)
    is_http = draw.random() < 0.8
    parts: dict[str, Any] = {
        "connection": {
            "local": _end(draw, local),
            "remote": _end(draw, remote) if draw.random() < 0.8 else {"ip": {"host": f"192.0.2.{draw.randrange(9)}"}},
            "role": draw.choice([0, 1, 1, 2]),
            "tlsMode": draw.choice([0, 0, 1]),
            "protocol": draw.choice([1, 2]) if is_http else 0,
        },
        "kernelLogs": [],
    }
    has_layers = draw.random() < 0.7
    for _ in range(draw.randrange(4)):
        parts["kernelLogs"].append(_operation(draw, at_ns, has_layers))
    if draw.random() < 0.3 or not (parts["kernelLogs"] or is_http):
        parts["kernelLogs"].append(_change(draw, at_ns))
    if is_http:
        took_ns = int(draw.lognormvariate(16, 2))
        parts["protocolLog"] = {"http": _http(draw, at_ns, at_ns + took_ns)}
    return parts


def _end(draw: random.Random, service: str) -> dict[str, Any]:
    pod = "" if draw.random() < 0.1 else f"{service}-{draw.randrange(2)}"
    return {"kubernetes": {"serviceName": service, "podName": pod, "port": 80}}


def _times(draw: random.Random, at_ns: int) -> dict[str, Any]:
    ends = at_ns, at_ns + draw.randrange(10**6)
    return {name: {"offset": {"offset": ns}} for name, ns in zip(("startTime", "endTime"), ends, strict=True)}


def _change(draw: random.Random, at_ns: int) -> dict[str, Any]:
    kind = draw.choice(["connect", "accept", "close"])
    success = {} if kind == "accept" else {"success": draw.random() < 0.8}
    return {kind: _times(draw, at_ns) | success}


def _operation(draw: random.Random, at_ns: int, has_layers: bool) -> dict[str, Any]:
    def figures(kind: str, most: int = 10**5) -> dict[str, int]:
        names = [field.name for field in messages.new(kind).DESCRIPTOR.fields if field.name != "lossPackageMetrics"]
        return {name: draw.choice([0, draw.randrange(most)]) for name in names}

    if draw.random() < 0.5:
        parts = {"l4Metrics": figures("WriteL4")}
        if has_layers:
            parts |= {"l3Metrics": figures("WriteL3"), "l2Metrics": figures("WriteL2")}
        return {"write": _times(draw, at_ns) | parts}
    parts = {"l2Metrics": figures("ReadL2")}
    if has_layers:
        parts |= {"l3Metrics": figures("ReadL3"), "l4Metrics": figures("ReadL4")}
    return {"read": _times(draw, at_ns) | parts}


def _http(draw: random.Random, start_ns: int, end_ns: int) -> dict[str, Any]:
    path = draw.choice(PATHS).format(draw.randrange(10**6))
    request = {"method": draw.choice([0, 0, 1, 3]), "path": path, "sizeOfHeadersBytes": draw.randrange(1, 900)}
    response = {"statusCode": draw.choice(STATUSES), "sizeOfHeadersBytes": draw.randrange(1, 900)}
    times = {"startTime": {"offset": {"offset": start_ns}}, "endTime": {"offset": {"offset": end_ns}}}
    sizes = [draw.choice([0, draw.randrange(10**5)]) for _ in range(2)]
    return times | {
        "request": request | {"sizeOfBodyBytes": sizes[0]},
        "response": response | {"sizeOfBodyBytes": sizes[1]},
    }
