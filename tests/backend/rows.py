"""Rows as the engine would hand them over: realistic, reproducible, and of any number.

Only for tests and measurements. `Record` dictionaries follow the record contract; `row()` makes the tuple of one.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rover.backend import Row

SERVICES = ["cart", "checkout", "frontend", "payments", "search"]
PATHS = ["/", "/api/items", "/api/items/7", "/api/orders", "/health", "/static/app.js", "/login", "/api/search"]
STATUSES = [200] * 90 + [304] * 3 + [404] * 5 + [500, 503]

RUN = 0x0BADCAFE


def record_id(time_ns: int, sequence: int) -> str:
    """32 hex digits: wall clock, run, sequence."""
    return f"{time_ns:016x}{RUN:08x}{sequence & 0xFFFFFFFF:08x}"


def rfc3339(time_ns: int) -> str:
    """UTC with nine fractional digits."""
    seconds, nanoseconds = divmod(time_ns, 10**9)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds:09d}Z"


def record(time_ns: int, sequence: int = 0, **fields: Any) -> dict[str, Any]:
    """One record; `fields` override the members of the same name, and `service`, `instance`, `peer_service`."""
    service = fields.pop("service", "cart")
    instance = fields.pop("instance", f"{service}-1")
    peer_service = fields.pop("peer_service", "frontend")
    duration_ns = fields.get("duration_ns", 1_250_000)
    start_ns = time_ns % 10**15
    flags: list[str] = fields.pop("flags", [])
    base: dict[str, Any] = {
        "id": record_id(time_ns, sequence),
        "time": rfc3339(time_ns),
        "start_ns": start_ns,
        "end_ns": start_ns + (duration_ns or 0),
        "duration_ns": duration_ns,
        "first_byte_ns": None if duration_ns is None else duration_ns * 3 // 4,
        "side": "server",
        "protocol": "HTTP/1.1",
        "kind": "http",
        "tls": None,
        "method": "GET",
        "scheme": "http",
        "host": f"{service}.local:8080",
        "path": "/api/items",
        "query": None,
        "status": 200,
        "interim": [],
        "grpc": None,
        "request": {"bytes": 164, "head_bytes": 164, "body_bytes": 0, "headers": {}, "trailers": {}},
        "response": {"bytes": 1180, "head_bytes": 156, "body_bytes": 1024, "headers": {}, "trailers": {}},
        "local": {
            "address": "127.0.0.1",
            "port": 8080,
            "identity": service
            and {"service": service, "instance": instance, "process": service, "pid": 4711, "executable": "/usr/bin/x"},
        },
        "remote": {
            "address": "127.0.0.1",
            "port": 40000 + sequence % 20000,
            "identity": peer_service and {"service": peer_service, "instance": "frontend-1", "process": "f", "pid": 17},
        },
        "connection": {
            "id": f"{sequence % 97:016x}",
            "exchange": sequence // 97 + 1,
            "stream": None,
            "role": "server",
            "opened_ns": start_ns - 10**9,
            "handshake_ns": None,
            "rtt_ns": None,
        },
        "kernel": {
            "write": {"operations": 1, "bytes": 1180, "syscall_ns": 18_000 + sequence % 977},
            "read": {"operations": 1, "bytes": 164, "syscall_ns": 2_000 + sequence % 331},
        },
        "timeline": [
            ["read", 0],
            ["read_end", 0],
            *([] if duration_ns is None else [["write", duration_ns * 3 // 4], ["write_end", duration_ns]]),
        ],
        "trace": None,
        "flags": flags,
    }
    return base | fields


def row_of(item: dict[str, Any]) -> Row:
    """The tuple of one record."""
    local, remote = item["local"]["identity"] or {}, item["remote"]["identity"] or {}
    seconds = datetime.fromisoformat(item["time"][:19] + "+00:00").timestamp()
    return (
        item["id"],
        int(seconds) * 10**9 + int(item["time"][20:29]),
        item["duration_ns"],
        item["first_byte_ns"],
        item["side"],
        item["protocol"],
        item["kind"],
        local.get("service"),
        local.get("instance"),
        remote.get("service"),
        item["method"],
        item["host"],
        item["path"],
        item["status"],
        item["request"]["bytes"],
        item["response"]["bytes"],
        ",".join(item["flags"]),
        json.dumps(item, separators=(",", ":")),
        item["remote"]["address"],
        same_exchange(item),
    )


def same_exchange(item: dict[str, Any]) -> int:
    """A number that both ends have; the native side has another, which must not matter."""
    ends = [(item[end]["address"], item[end]["port"]) for end in ("local", "remote")]
    if None in (*ends[0], *ends[1]):
        return 0
    ends.sort()
    return zlib.crc32(repr((ends, item["connection"]["stream"], item["method"], item["path"])).encode())


def row(time_ns: int, sequence: int = 0, **fields: Any) -> Row:
    """The tuple of one record with these fields."""
    return row_of(record(time_ns, sequence, **fields))


def traffic(count: int, start_ns: int, step_ns: int = 50_000, seed: int = 1) -> Iterator[Row]:
    """`count` rows of mixed traffic, `step_ns` apart, the same for the same seed."""
    random_ = random.Random(seed)
    for sequence in range(count):
        duration_ns = int(random_.lognormvariate(14, 1))
        service = random_.choice(SERVICES)
        yield row(
            start_ns + sequence * step_ns,
            sequence,
            service=service,
            path=random_.choice(PATHS),
            method=random_.choice(["GET", "GET", "GET", "POST"]),
            status=random_.choice(STATUSES),
            duration_ns=duration_ns,
            connection={
                "id": f"{random_.getrandbits(20):016x}",
                "exchange": random_.randrange(1, 900),
                "stream": None,
                "role": "server",
                "opened_ns": random_.getrandbits(45),
                "handshake_ns": random_.randrange(20_000, 90_000),
                "rtt_ns": random_.randrange(20_000, 90_000),
            },
        )
