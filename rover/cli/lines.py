"""A record as one line of text, from its JSON. The same words and units as the terminal lines of `rover watch`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

UNKNOWN = "–"
_TARGET_WIDTH = 48
GRPC_STATUS = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""By number, as gRPC's own documentation names them (statuscodes.md)."""


def line(record: dict[str, Any]) -> str:
    """Time, status, method, host and path, size, duration, this side and its peer, flags."""
    response = record.get("response") or {}
    size, duration = response.get("body_bytes"), record.get("duration_ns")
    parts = [
        _local_time(record["time"]),
        f"{_text(record.get('status')):>3}",
        f"{_text(record.get('method')):<7}",
        f"{_target(record):<{_TARGET_WIDTH}}",
        f"{bytes_text(size) if size is not None else UNKNOWN:>9}",
        f"{duration_text(duration) if duration is not None else UNKNOWN:>8}",
        _peers(record),
        " ".join([*_grpc(record), *(record.get("flags") or [])]),
    ]
    return " ".join(parts).rstrip()


def duration_text(duration_ns: int) -> str:
    """Three significant digits and a unit: `412 µs`, `3.20 ms`, `1.04 s`."""
    for unit, factor in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        # 999.5 would be rounded to 1000 of this unit, which is 1 of the next
        if duration_ns < 999.5 * factor:
            return f"{duration_ns} ns" if factor == 1 else f"{_three_digits(duration_ns / factor)} {unit}"
    return f"{_three_digits(duration_ns / 1_000_000_000)} s"


def bytes_text(size: int) -> str:
    """Three significant digits and a binary unit: `12 B`, `1.45 KiB`."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1023.5:
            return f"{_three_digits(value)} {unit}"
    return f"{_three_digits(value / 1024)} TiB"


def printable(text: str) -> str:
    """The text with everything that a terminal would act on shown as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _three_digits(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _text(value: object) -> str:
    return UNKNOWN if value is None else printable(str(value))


def _local_time(text: str) -> str:
    # fromisoformat takes six digits of a second's fraction at most
    moment = datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00").astimezone()
    zone = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}{zone[:3]}:{zone[3:5]}"


def grpc_status_text(status: int | None) -> str:
    """The name of a gRPC status; its number if it has none."""
    if status is None:
        return UNKNOWN
    return GRPC_STATUS[status] if 0 <= status < len(GRPC_STATUS) else str(status)


def _grpc(record: dict[str, Any]) -> list[str]:
    grpc = record.get("grpc")
    return [f"grpc:{grpc_status_text(grpc.get('status'))}"] if grpc else []


def _target(record: dict[str, Any]) -> str:
    query = record.get("query")
    return _text("".join([record.get("host") or "", record.get("path") or "", f"?{query}" if query else ""]) or None)


def _peers(record: dict[str, Any]) -> str:
    arrow = "←" if record["side"] == "server" else "→"
    return f"{end_text(record['local'])} {arrow} {end_text(record['remote'])}"


def end_text(endpoint: dict[str, Any]) -> str:
    """Service, or else address, and port."""
    identity = endpoint.get("identity") or {}
    address = str(endpoint.get("address") or UNKNOWN)
    shown = identity.get("service") or (f"[{address}]" if ":" in address else address)
    port = endpoint.get("port")
    return printable(shown if port is None else f"{shown}:{port}")
