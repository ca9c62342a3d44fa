"""A hook that cannot be had: exactly what it feeds is missing in records, and without one that is needed rover ends
with one line. It is missing because the configuration says so, because the kernel has no such function, or because the
verifier refuses its program: the outcome is the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stage.rover import Record

from . import damaged, running

pytestmark = [pytest.mark.slow, pytest.mark.root]

SENT = {"packets", "packet_bytes", "queue_entries", "l2_ready_ns", "l2_ns"}
RECEIVED = {"packets", "packet_bytes", "l2_to_queue_ns", "queue_wait_ns"} | {
    *("l3_ns", "l3_receive_ns", "l3_local_ns", "l4_ns", "netfilter_count", "netfilter_ns")
}
"""Of a packet whose arrival, or whose place in the stream, is unknown nothing else is known either."""

WAY_OUT = {f"timeline.{name}" for name in ("tcp_out", "ip_out", "queue_out", "nic_out", "last_nic_out")}
WAY_IN = {f"timeline.{name}" for name in ("nic_in", "ip_in", "tcp_in")}
READ = {f"kernel.read.{name}" for name in RECEIVED | {"interface"}}

COSTS = {
    # Without its entry it is unknown where a write began, and so what of the way out belongs to it.
    "tcp_sendmsg_locked": {"kernel.write.syscall_ns", "kernel.write.l4_ns", *WAY_OUT},
    "skb_copy_datagram_iovec": set(),
    "inet_sock_set_state": {"connection.opened_ns", "connection.handshake_ns"},
    "tcp_destroy_sock": set(),
    "net_dev_queue": {f"kernel.write.{name}" for name in SENT | {"interface"}} | {"timeline.ip_out"},
    "net_dev_start_xmit": {"kernel.write.l2_ready_ns", "kernel.write.l2_send_ns"}
    | {"timeline.queue_out", "timeline.nic_out", "timeline.last_nic_out"},
    "net_dev_xmit": {"kernel.write.l2_send_ns", "timeline.nic_out", "timeline.last_nic_out"},
    "netif_receive_skb": READ | WAY_IN,
    "tcp_probe": READ | WAY_IN,
    "kfree_skb": {"kernel.write.drops"},
}
"""Tracepoint → what is missing in the records of a connection's second exchange without it, of what this kernel gives
otherwise. Empty: nothing that this exchange has (bytes by io_uring, the end of a connection)."""

KEPT_BY_CLIENTS = {"netif_receive_skb": {"timeline.tcp_in"}}
"""A client's exchange begins before the packet came, a server's then only after TCP had it."""

NEEDED = {
    "tcp_sendmsg": ("sock_send_length", "inet_sendmsg"),
    "tcp_recvmsg": ("sock_recv_length", "inet_recvmsg"),
    "sched_process_fork": ("sched_process_fork",),
    "sched_process_exec": ("sched_process_exec",),
    "sched_process_exit": ("sched_process_exit",),
}
"""Hook without which there is nothing to tell → the kernel's names of all ways to have it."""


@pytest.fixture
def avoiding(tmp_path: Path) -> Callable[..., str]:
    """Writes a configuration that leaves these hooks alone."""

    def write(*names: str) -> str:
        file = tmp_path / "rover.yaml"
        file.write_text(f"kernel:\n  avoid: [{', '.join(names)}]\n")
        return str(file)

    return write


def require_costs(name: str, whole: dict[running.Which, Record], left: dict[running.Which, Record]) -> None:
    """Fail unless the second exchange lacks what the hook feeds, and nothing else."""
    for side in ("server", "client"):
        before, after = running.known(whole[side, 2]), running.known(left[side, 2])
        cost = COSTS[name] - (KEPT_BY_CLIENTS.get(name, set()) if side == "client" else set())
        assert before - after == cost & before, f"missing at the {side} without {name}"
        assert not after - before, f"there at the {side} only without {name}"


def test_nothing_is_missing_without_a_reason(able: dict[str, Any]) -> None:
    """Every hook that is not attached says why."""
    assert all(running.why_missing(able).values())


@pytest.mark.parametrize("name", COSTS)
def test_without_a_hook_exactly_what_it_feeds_is_missing(
    name: str, able: dict[str, Any], whole: dict[running.Which, Record], avoiding: Callable[..., str]
) -> None:
    """Two records of the same exchange, one with every hook and one without this one; `rover doctor` says the same."""
    file = avoiding(name)
    code, finding = running.found("-c", file)
    assert code == 0
    reasons = running.why_missing(able) | {name: "left alone by kernel.avoid"}
    assert running.why_missing(finding) == reasons
    left = running.two_exchanges("-c", file)
    require_costs(name, whole, left)
    for direction in ("write", "read"):
        named = {f"kernel.{direction}.{figure}" for figure in finding["figures"][direction][0]}
        of_layers = {f"kernel.{direction}.{figure}" for figure in able["figures"][direction][0]}
        assert running.known(left["server", 2]) & of_layers == named


@pytest.mark.parametrize("name", COSTS)
def test_what_is_left_is_as_true_as_before(
    name: str, whole: dict[running.Which, Record], avoiding: Callable[..., str]
) -> None:
    """Packets and bytes are the same ones: they do not depend on who looks, times do."""
    left = running.two_exchanges("-c", avoiding(name))
    for side in ("server", "client"):
        for direction in ("write", "read"):
            before, after = (records[side, 2]["kernel"][direction] for records in (whole, left))
            for figure in ("operations", "bytes", "packets", "packet_bytes", "queue_entries"):
                assert after.get(figure) in (before.get(figure), None), f"{side} {direction} {figure}"


@pytest.mark.parametrize("hook", NEEDED)
def test_without_a_needed_hook_rover_ends_with_one_line(hook: str, avoiding: Callable[..., str]) -> None:
    """Exit code 3, the hook and the reason."""
    file = avoiding(*NEEDED[hook])
    code, line = running.refused("-c", file)
    assert code == running.KERNEL
    assert line == f"rover: missing a way to hook {hook}: left alone by kernel.avoid (see rover doctor)"
    code, finding = running.found("-c", file)
    assert code == running.KERNEL
    assert f"a way to hook {hook}" in finding["error"]


def test_a_function_that_this_kernel_does_not_have_costs_its_hook(
    able: dict[str, Any], whole: dict[running.Which, Record]
) -> None:
    """A copy of rover asks for a tracepoint by a name that no kernel has, as after a renaming."""
    with damaged.copy(damaged.rename_hook("net_dev_queue")) as environment:
        code, finding = running.found(environment=environment)
        left = running.two_exchanges(environment=environment)
    assert code == 0
    reasons = running.why_missing(finding)
    assert reasons.pop("net_dev_queue").startswith("this kernel has no tracepoint gone_")
    assert reasons == running.why_missing(able)
    require_costs("net_dev_queue", whole, left)


def test_a_program_that_the_verifier_refuses_costs_its_hook(
    able: dict[str, Any], whole: dict[running.Which, Record]
) -> None:
    """A copy of rover has one program that reads a register in which nothing is: the reason is the verifier's own."""
    with damaged.copy(damaged.spoil_program("rv_t_queued")) as environment:
        code, finding = running.found(environment=environment)
        left = running.two_exchanges(environment=environment)
    assert code == 0
    reasons = running.why_missing(finding)
    assert reasons.pop("net_dev_queue") == "the kernel rejects rv_t_queued: R9 !read_ok"
    assert reasons == running.why_missing(able)
    require_costs("net_dev_queue", whole, left)


def test_without_a_needed_function_rover_ends_with_one_line() -> None:
    """Of all ways to the hook: the reason is that of the first."""
    with damaged.copy(damaged.rename_hook("sock_recv_length", "inet_recvmsg")) as environment:
        code, line = running.refused(environment=environment)
    assert code == running.KERNEL
    assert line.startswith("rover: missing a way to hook tcp_recvmsg: this kernel has no tracepoint gone_"), line


def test_without_a_needed_program_rover_ends_with_one_line() -> None:
    """Likewise, every way refused; the verifier's verdict is in the line."""
    programs = ("rv_t_recv_x", "rv_f_recv4_x", "rv_k_recv4_x")
    with damaged.copy(damaged.spoil_program(*programs)) as environment:
        code, line = running.refused(environment=environment)
    assert code == running.KERNEL
    assert line.startswith("rover: missing a way to hook tcp_recvmsg: the kernel rejects rv_t_recv_x: R9 !read_ok")
