"""Many exchanges: the rules between figures hold in each record, and each packet is charged where it belongs."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.stage.nginx import Nginx
from tests.stage.ports import free_port
from tests.stage.rover import ROOT, Rover, unexplained
from tests.stage.soundness import faults

from .filled import is_attached
from .rules import breaches

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

BODIES = (200, 5000)
"""Bodies of the two servers. On loopback a packet takes up to 64 KB, so each message is one packet."""

HEAD_BYTES = 14 + 20 + 32
SECONDS = 300


@pytest.fixture
def servers(tmp_path, doctor):
    """Two servers with bodies of known and different sizes."""
    if not is_attached(doctor, "net_dev_start_xmit"):
        pytest.skip("rover has no hooks below the socket here")
    each = [Nginx(tmp_path / str(size), free_port(), has_log=False) for size in BODIES]
    for nginx, size in zip(each, BODIES, strict=True):
        (nginx.files / "x").write_bytes(b"x" * size)
    with each[0], each[1]:
        yield each


def visit(servers, requests):
    """Both servers at the same time, two clients each, from processes that know nothing of each other."""
    command = [sys.executable, "-m", "tests.layers.client"]
    words = [[str(nginx.port), str(requests // 4), "3"] for nginx in servers for _ in range(2)]
    clients = [subprocess.Popen([*command, *each], cwd=ROOT) for each in words]
    assert [client.wait(SECONDS) for client in clients] == [0] * 4


def test_figures_agree_and_packets_stay_their_own(servers, tmp_path):
    """50 000 exchanges, both sides recorded (LAYERS_EXCHANGES for more; a fiftieth where the kernel is emulated).

    Every rule of rules.py holds in each of the 100 000 records, and each has exactly the packets of its own messages:
    one out and one in, of known sizes that differ between the servers. One packet charged to another connection would
    show in two records. A segment that was sent again or late would show, too; on loopback with messages of one packet
    there is none."""
    requests = int(os.environ.get("LAYERS_EXCHANGES", "50000" if "VM_GUEST" not in os.environ else "1000"))
    ports = [word for nginx in servers for word in ("--port", str(nginx.port))]
    output = tmp_path / "records"
    # To a file and with room in the ring: what is lost to a slow reader would be no wrong charge, but no proof either.
    with Rover(*ports, "--output", str(output), environment={"ROVER_KERNEL_RING_BYTES": str(256 << 20)}) as rover:
        visit(servers, requests)
        ledger = rover.stop(SECONDS)
    assert unexplained(ledger) == 0, ledger
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(records) == 2 * requests, ledger
    broken = Counter(words for record in records for words in (*faults(record), *breaches(record, True)))
    assert not broken, (broken.most_common(10), ledger)
    strangers = Counter()
    for record in records:
        messages = [record["request"]["bytes"], record["response"]["bytes"]]
        received, sent = messages if record["side"] == "server" else reversed(messages)
        write, read = record["kernel"]["write"], record["kernel"]["read"]
        seen = (read["packets"], read["packet_bytes"], write["packets"], write["packet_bytes"])
        if seen != (1, received + HEAD_BYTES, 1, sent + HEAD_BYTES):
            strangers[record["side"], received, sent, seen] += 1
    assert not strangers, strangers.most_common(10)
    assert Counter(each["response"]["body_bytes"] for each in records) == dict.fromkeys(BODIES, requests)
