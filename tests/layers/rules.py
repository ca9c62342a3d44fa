"""What must hold between the figures of one record, whatever happened."""

from typing import Any

from .filled import READ, WRITE

WRITE_NESTED = [
    (("l2_ns",), "l3_ns"),
    (("netfilter_ns",), "l3_ns"),
    (("l3_local_ns", "l3_output_ns"), "l3_ns"),
]
READ_NESTED = [(("l4_ns",), "l3_ns"), (("netfilter_ns",), "l3_ns"), (("l3_receive_ns", "l3_local_ns"), "l3_ns")]
DIRECT = [(("l4_ns",), "syscall_ns"), (("l3_ns",), "l4_ns")]
"""Inner parts and the outer whole. These hold only if every packet left within its operation: what TCP sent again or
later is its work too (L4), though in no call."""


def breaches(record: dict[str, Any], is_direct: bool = False) -> list[str]:
    """Rules that a record of an exchange on a connection with one exchange at a time breaks, in words.

    `is_direct`: nothing of this connection was sent late."""
    write, read = (record["kernel"].get(direction) for direction in ("write", "read"))
    if write is None or read is None:
        return [f"no {'write' if write is None else 'read'} of the {record['side']}: {record['flags']}"]
    found = []
    for direction, figures, known in (("write", write, WRITE), ("read", read, READ)):
        numbers = {name: value for name, value in figures.items() if isinstance(value, int)}
        found += [f"{direction}.{name} is {value}" for name, value in numbers.items() if value < 0]
        # Drops of received packets are there when there were some, which no hook promises.
        found += [f"{direction}.{name} is unknown" for name in figures if name not in known and name != "drops"]
    direct = DIRECT if is_direct and not write.get("retransmits") else []
    for figures, pairs in ((write, WRITE_NESTED + direct), (read, READ_NESTED)):
        for inner, outer in pairs:
            parts = sum(figures.get(name) or 0 for name in inner)
            if figures.get(outer) is not None and parts > figures[outer]:
                found.append(f"{' + '.join(inner)} = {parts} exceeds {outer} = {figures[outer]}")
    sent, received = ("response", "request") if record["side"] == "server" else ("request", "response")
    if write["bytes"] != record[sent]["bytes"]:
        found.append(f"{write['bytes']} bytes written of a {sent} of {record[sent]['bytes']}")
    if read["bytes"] != record[received]["bytes"]:
        found.append(f"{read['bytes']} bytes read of a {received} of {record[received]['bytes']}")
    offsets = dict(reversed(record["timeline"]))
    if record["side"] == "server" and offsets.get("read_end", 0) > offsets.get("write", record["duration_ns"]):
        found.append(f"read_end after write: {record['timeline']}")
    return found
