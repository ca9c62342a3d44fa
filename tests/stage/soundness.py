"""What holds for every record whatever it tells of: the rules of the record's own format."""

import re
from typing import Any

from .rover import Record

FLAGS = frozenset(
    {"truncated", "gap", "hpack_partial", "peer_inferred", "pre_existing", "tls_unbound", "reset", "no_response"}
    | {"no_request", "upgraded", "unfinished"}
)
KINDS = frozenset({"http", "grpc", "websocket", "tunnel", "sse"})
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
CONNECTION_ID = re.compile(r"[0-9a-f]{16}")


def faults(record: Record) -> list[str]:
    """Rules that this record breaks, in words; empty for a sound one."""
    found: list[str] = []

    def rule(holds: Any, words: str) -> None:
        if not holds:
            found.append(words)

    rule(record["side"] in ("server", "client"), f"side is {record['side']!r}")
    rule(record["kind"] in KINDS, f"kind is {record['kind']!r}")
    rule(set(record["flags"]) <= FLAGS, f"unknown flags in {record['flags']}")
    rule(TIME.fullmatch(record["time"]), f"time is {record['time']!r}")
    rule(CONNECTION_ID.fullmatch(record["connection"]["id"]), f"connection id is {record['connection']['id']!r}")
    rule(record["connection"]["exchange"] >= 1, "exchanges count from 1")
    _rule_times(record, rule)
    for half in ("request", "response"):
        _rule_sizes(record[half], half, rule)
    for end in ("local", "remote"):
        rule(record[end]["address"] and 0 < record[end]["port"] < 65536, f"{end} end is {record[end]}")
    rule(record["status"] is None or 100 <= record["status"] <= 999, f"status is {record['status']}")
    flags = set(record["flags"])
    # Of a header block that cannot be read whole, status and method may be unknown.
    is_partial = bool({"hpack_partial", "truncated"} & flags) and record["protocol"] == "HTTP/2"
    has_none = record["status"] is None
    rule(has_none == ("no_response" in flags) or "unfinished" in flags or (has_none and is_partial),
         f"status is {record['status']} with flags {record['flags']}")  # fmt: skip
    has_none = record["method"] is None
    rule(has_none == ("no_request" in flags) or (has_none and is_partial), f"method {record['method']}, {flags}")
    rule((record["connection"]["stream"] is None) == (record["protocol"] != "HTTP/2"), "stream without HTTP/2")
    rule((record["grpc"] is None) == (record["kind"] != "grpc"), f"kind {record['kind']} has {record['grpc']}")
    return found


def _rule_times(record: Record, rule: Any) -> None:
    start, end, duration = record["start_ns"], record["end_ns"], record["duration_ns"]
    first = record["first_byte_ns"]
    rule(start > 0, "no start")
    rule(duration is None or duration == end - start, f"duration {duration} is not end − start = {end} − {start}")
    rule(duration is None or duration >= 0, f"ends {duration} ns after its start")
    rule(first is None or duration is None or 0 <= first <= duration, f"first byte at {first} of {duration} ns")
    opened = record["connection"]["opened_ns"]
    rule(opened is None or opened <= start, f"opened {opened}, after the start {start}")
    offsets = [offset for _, offset in record["timeline"]]
    rule(offsets == sorted(offsets), f"timeline does not ascend: {record['timeline']}")


def _rule_sizes(message: dict[str, Any], half: str, rule: Any) -> None:
    total, head, body = message["bytes"], message["head_bytes"], message["body_bytes"]
    if None not in (total, head, body):
        rule(total >= head + body, f"{half} of {total} bytes has {head} of head and {body} of body")
        rule(min(total, head, body) >= 0, f"{half} has a negative size")
