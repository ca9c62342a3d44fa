"""What the daemon tells about itself."""

from __future__ import annotations

import os
from pathlib import Path

from rover.daemon import NodeFacts
from rover.daemon.facts import maybe_bpf_ns_per_record
from rover.telemetry.status import resident_bytes


class FakeCapture:
    """A capture that tells fixed figures."""

    watched_processes = 7

    def stats(self) -> dict:
        return {"records": 10, "programs": [{"run_ns": 10_000}, {"run_ns": 5_000}]}

    def ledger(self) -> dict:
        return {"captured": 3, "reported": 3}

    def hooks(self) -> list:
        return [{"hook": "a"}]

    def tls(self) -> dict:
        return {"enabled": True, "libraries": []}


def test_facts_have_what_the_page_shows():
    facts = NodeFacts(FakeCapture())()
    assert facts["ledger"] == {"captured": 3, "reported": 3}
    assert facts["hooks"] == [{"hook": "a"}]
    assert facts["watched_processes"] == 7
    assert facts["tls"] == {"enabled": True, "libraries": []}
    assert facts["cost"]["bpf_ns_per_exchange"] == 1500.0
    assert facts["cost"]["rss_bytes"] > 1_000_000


def test_the_share_of_a_core_is_unknown_before_there_was_time_to_measure_it(monkeypatch):
    now, used = [100.0], [1.0]
    monkeypatch.setattr("rover.daemon.facts.time.monotonic", lambda: now[0])
    monkeypatch.setattr("rover.daemon.facts._cpu_seconds", lambda: used[0])
    facts = NodeFacts(FakeCapture())
    assert facts()["cost"]["cpu_percent"] is None
    now[0], used[0] = 102.0, 1.5
    assert facts()["cost"]["cpu_percent"] == 25.0
    now[0], used[0] = 102.1, 1.6
    assert facts()["cost"]["cpu_percent"] == 25.0, "too soon for a new figure"


def test_the_run_time_of_programs_is_unknown_unless_the_kernel_counts_it():
    assert maybe_bpf_ns_per_record({"records": 10, "programs": [{"run_ns": 0}, {}]}) is None
    assert maybe_bpf_ns_per_record({"records": 0, "programs": [{"run_ns": 5}]}) is None
    assert maybe_bpf_ns_per_record({}) is None


def test_resident_memory_is_this_processs():
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    told = int(status.split("VmRSS:")[1].split()[0]) * 1024
    assert abs(resident_bytes() - told) < 8 << 20
