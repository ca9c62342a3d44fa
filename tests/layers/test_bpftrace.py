"""The same functions of the kernel, timed and counted by bpftrace at the same time."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage.deadline import wait_until

from .counters import Filter
from .far import CLIENT, SERVER

pytestmark = pytest.mark.root

PROBES = Path("/sys/kernel/debug/kprobes/list")

TIMED = {
    "inet_sendmsg": "pid == %d",
    "tcp_sendmsg_locked": "pid == %d",
    # Segments with payload: a TCP head has 32 bytes here, an IP head 20 more.
    "__ip_queue_xmit": "((struct sk_buff *)arg1)->len > 32",
    "nf_hook_slow": "((struct sk_buff *)arg0)->len > 52 && ((struct nf_hook_state *)arg1)->hook >= 3"
    " && ((struct nf_hook_state *)arg1)->pf == 2",
}
"""Function → which of its calls. Hooks 3 and 4 are those of packets on their way out; family 2 is IPv4, for a host that
comes up speaks IPv6 with its neighbours."""

# By CPU, as these functions of bpftrace count: two that add to one figure at once lose a call now and then.
SCRIPT = """\
kprobe:{function} /{which}/ {{ @start_{number}[tid] = nsecs; }}
kretprobe:{function} /@start_{number}[tid]/ {{
    @ns_{number} = sum(nsecs - @start_{number}[tid]); @count_{number} = count(); delete(@start_{number}[tid]);
}}
"""


@contextmanager
def bpftrace() -> Iterator[dict[str, tuple[int, int]]]:
    """Runs the script while the block does; the figures by function are there after it: calls and nanoseconds."""
    script = ""
    for number, (function, which) in enumerate(TIMED.items()):
        script += SCRIPT.format(number=number, function=function, which=which.replace("%d", str(os.getpid())))
    there = len(PROBES.read_text().splitlines())
    command = ["bpftrace", "-f", "json", "-e", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    figures: dict[str, tuple[int, int]] = {}
    try:
        wait_until(
            lambda: len(PROBES.read_text().splitlines()) >= there + 2 * len(TIMED) or process.poll() is not None,
            "bpftrace's probes",
            120,
        )
        assert process.poll() is None, process.communicate()[1]
        yield figures
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[0]
    finally:
        process.kill()
        process.wait()
    maps: dict[str, int] = {}
    for line in filter(None, said.splitlines()):
        told = json.loads(line)
        if told["type"] == "map":
            maps.update(told["data"])
    for number, function in enumerate(TIMED):
        figures[function] = (maps.get(f"@count_{number}", 0), maps.get(f"@ns_{number}", 0))


def test_bpftrace_sees_the_same_calls_and_times(far, hosts, watched, needs):
    """Counts are exact. L4 begins once the socket is locked and ends with `inet_sendmsg`, so it lies between the times
    of two functions; 5 % for the probes of one that lie within those of the other. For IP and netfilter, where 2000
    rules make calls long enough, the two measure the same: 20 %, for probes cost 1 to 5 µs each under emulation."""
    needs("write", "l4_ns", "l3_ns", "netfilter_ns")
    if shutil.which("bpftrace") is None:
        pytest.skip("bpftrace is not installed")
    if not PROBES.exists():
        pytest.skip("this kernel has no kprobes")
    connection = far()
    for number in (SERVER, CLIENT):
        table = Filter(hosts, number)
        table.chain("output")
        table.rules("output", ["tcp dport 1 counter"] * 2000)
    connection.exchange()
    with bpftrace() as seen:
        for _ in range(20):
            connection.exchange(100, 9 * 1448)
    records = [record for side in ("server", "client") for record in watched.records(connection.port, side, 21)[1:]]
    calls = {function: count for function, (count, _) in seen.items()}
    spent = {function: ns for function, (_, ns) in seen.items()}

    def told(name: str) -> int:
        return sum(record["kernel"]["write"][name] for record in records)

    assert calls["inet_sendmsg"] == calls["tcp_sendmsg_locked"] == told("operations")
    assert calls["__ip_queue_xmit"] == told("packets")
    assert calls["nf_hook_slow"] == told("netfilter_count")
    assert 0.95 * spent["tcp_sendmsg_locked"] <= told("l4_ns") <= 1.05 * spent["inet_sendmsg"], (spent, told("l4_ns"))
    assert 0.8 * spent["__ip_queue_xmit"] <= told("l3_ns") <= 1.2 * spent["__ip_queue_xmit"], (spent, told("l3_ns"))
    netfilter_ns = told("netfilter_ns")
    assert 0.8 * spent["nf_hook_slow"] <= netfilter_ns <= 1.2 * spent["nf_hook_slow"], (spent, netfilter_ns)
