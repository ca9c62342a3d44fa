"""Which figures of the kernel's layers are there, by attach mode: the one table for tests and docs/layers.md.

`python -m tests.layers.filled` prints it as docs/layers.md has it.
"""

from typing import Any

MODES = ("fentry", "kprobe", "tracepoint")

YES, NO = "✓", "–"
NEWER = "newer"
"""Where the kernel has the tracepoint tcp:tcp_sendmsg_locked."""

WRITE = {
    "operations": (YES, YES, YES),
    "bytes": (YES, YES, YES),
    "syscall_ns": (YES, YES, NEWER),
    "packets": (YES, YES, YES),
    "packet_bytes": (YES, YES, YES),
    "retransmits": (YES, YES, YES),
    "drops": (YES, YES, YES),
    "l4_ns": (YES, YES, NEWER),
    "l3_ns": (YES, YES, NO),
    "l3_local_ns": (YES, YES, NO),
    "l3_output_ns": (YES, YES, NO),
    "l2_ns": (YES, YES, NO),
    "l2_ready_ns": (YES, YES, YES),
    "l2_send_ns": (YES, YES, YES),
    "queue_entries": (YES, YES, YES),
    "netfilter_count": (YES, YES, NO),
    "netfilter_ns": (YES, YES, NO),
    "resolve_count": (YES, YES, NO),
    "resolve_ns": (YES, YES, NO),
    "interface": (YES, YES, YES),
}
READ = {
    "operations": (YES, YES, YES),
    "bytes": (YES, YES, YES),
    "syscall_ns": (YES, YES, NO),
    "packets": (YES, YES, YES),
    "packet_bytes": (YES, YES, YES),
    "l2_to_queue_ns": (YES, YES, YES),
    "queue_wait_ns": (YES, YES, YES),
    "l3_ns": (YES, YES, NO),
    "l3_receive_ns": (YES, YES, NO),
    "l3_local_ns": (YES, YES, NO),
    "l4_ns": (YES, YES, NO),
    "netfilter_count": (YES, YES, NO),
    "netfilter_ns": (YES, YES, NO),
    "interface": (YES, YES, YES),
}
FIELDS = {"write": WRITE, "read": READ}


def mode_of(finding: dict[str, Any]) -> str | None:
    """The best attach mode in use, by what `rover doctor --json` told; None when nothing is attached."""
    used = {hook["mode"] for hook in finding["hooks"] if hook["attached"]}
    return next((mode for mode in MODES if mode in used), None)


def is_attached(finding: dict[str, Any], name: str) -> bool:
    """Whether a hook is attached; the name is its last part, without `tcp:` or the like."""
    return any(hook["attached"] and hook["hook"].rpartition(":")[2] == name for hook in finding["hooks"])


def filled(finding: dict[str, Any], direction: str) -> frozenset[str]:
    """Fields of `kernel.write` or `kernel.read` that must have a value with these hooks."""
    mode = mode_of(finding)
    if mode is None:
        return frozenset()
    column = MODES.index(mode)
    good = {YES, NEWER} if is_attached(finding, "tcp_sendmsg_locked") else {YES}
    return frozenset(name for name, marks in FIELDS[direction].items() if marks[column] in good)


def table() -> str:
    """The table in Markdown."""
    lines = [f"| Field | {' | '.join(MODES)} |", "|---|" + "---|" * len(MODES)]
    for direction, names in FIELDS.items():
        lines += [f"| `kernel.{direction}.{name}` | {' | '.join(marks)} |" for name, marks in names.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
