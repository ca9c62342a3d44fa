"""A daemon through all that a node does to it: at the end it is the same process, and its ledger balances.

`make soak` takes half an hour, SOAK_SECONDS states another time; among the slow tests it is a minute and a half. Where
`make kube` has built a Kubernetes API server, that goes away and comes back too."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.cli.running import Running
from tests.kube.stage import Server, missing
from tests.stage.cpu import resident_bytes
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port
from tests.stage.rover import unexplained
from tests.telemetry.conftest import get, metrics_port

from .conditions import Traffic, api_goes_away, backend_dies, churn, disk_fills, reloads, slope

SECONDS = float(os.environ.get("SOAK_SECONDS", "90"))
MOST_GROWTH_BYTES = 24 << 20
"""In the second half of the run: what a slow leak would exceed in half an hour, and noise does not in a minute."""

KEPT = ("connections", "processes", "watched_processes", "addresses", "held_records", "reporter_held_bytes")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "rover-soak", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Server | None]:
    """A Kubernetes API server; None, with a word, where there is none."""
    if reason := missing("kube-apiserver", "etcd"):
        with capsys.disabled():
            print(f"\nsoak: without a Kubernetes API server: {reason}")
        yield None
        return
    server = Server(tmp_path / "kube")
    yield server
    server.do("stop")


def figures(daemon: Running) -> dict[str, int]:
    """How much it keeps, by what. While the engine gets no CPU it tells nothing of that."""

    def maybe_told() -> dict[str, int] | None:
        told = dict(
            re.findall(r"^rover_(\w+?)(?:\{stream=.0.\})? (\S+)$", get(metrics_port(daemon), "/metrics")[1], re.M)
        )
        return {name: int(float(told[name])) for name in KEPT} if set(KEPT) <= told.keys() else None

    return wait_until(maybe_told, "figures of the engine", 60)


def configurations(grpc: int, folder: Path, cluster: Server | None) -> list[str]:
    """Right, with other rules, over its memory limit, broken."""
    kubernetes = {"enabled": "on", "kubeconfig": str(cluster.kubeconfig)} if cluster else {"enabled": "off"}
    base = {
        "reporters": {"oap": {"addresses": [f"127.0.0.1:{grpc}"]}, "file": {"path": str(folder / "records.json")}},
        "kubernetes": kubernetes,
    }
    others = base | {"watch": {"exclude": [{"exe": "true"}]}, "capture": {"query": "keep"}}
    limited = base | {"limits": {"memory_bytes": "16 MiB"}}
    return [yaml.safe_dump(base), yaml.safe_dump(others), yaml.safe_dump(limited), "capture: {qery: [}\n"]


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 180)
def test_a_daemon_survives_what_a_node_does_to_it(
    tmp_path: Path, small_disk: Path, cluster: Server | None, capsys
) -> None:
    """Backend killed, disk full, Kubernetes API away, processes come and go, SIGHUP with right and broken files, too
    much memory."""
    grpc, http = free_port(), free_port()
    contents, file = configurations(grpc, small_disk, cluster), tmp_path / "rover.yaml"
    file.write_text(contents[0])
    variables = {
        "ROVER_BACKEND_GRPC_ADDRESS": f"127.0.0.1:{grpc}",
        "ROVER_BACKEND_HTTP_ADDRESS": f"127.0.0.1:{http}",
        "ROVER_BACKEND_STORE_PATH": str(tmp_path / "store" / "rover.db"),
    }
    is_over, traffic, samples = threading.Event(), Traffic(), []
    with Running("daemon", "-c", str(file)) as daemon, ThreadPoolExecutor(8) as pool:
        pid = daemon.process.pid
        try:
            deaths = pool.submit(
                backend_dies, lambda: Running("backend", environment=variables), is_over, max(8.0, SECONDS / 20)
            )
            others = [
                pool.submit(traffic.run, is_over),
                pool.submit(churn, is_over),
                pool.submit(disk_fills, small_disk, is_over, max(5.0, SECONDS / 30)),
                pool.submit(reloads, pid, file, contents, is_over, max(6.0, SECONDS / 40)),
            ]
            absences = cluster and pool.submit(
                api_goes_away, cluster, lambda: figures(daemon)["addresses"], is_over, max(15.0, SECONDS / 12)
            )
            end, kept = time.monotonic() + SECONDS, []
            for until in (end - SECONDS / 2, end):
                while time.monotonic() < until and daemon.process.poll() is None:
                    samples.append((time.monotonic(), resident_bytes(pid)))
                    is_over.wait(1.0)
                kept.append(figures(daemon))
        finally:
            is_over.set()
            traffic.close()
        for each in others:
            each.result(60)
        assert deaths.result(60) >= 2
        assert absences is None or absences.result(120) >= 2
        assert daemon.process.poll() is None, daemon.said
        wait_until(lambda: get(metrics_port(daemon), "/healthz")[0].status == 200, "health")
        code, _ = daemon.stop()
    assert code == 0, daemon.said
    ledger = json.loads(daemon.errors[-1])
    half = samples[len(samples) // 2 :]
    grown = half[-1][1] - half[0][1]
    with capsys.disabled():
        lost = {cause: count for cause, count in ledger.items() if count}
        print(
            f"\nsoak: {SECONDS:.0f} s, {traffic.exchanges} exchanges, {deaths.result()} backends killed, "
            f"{absences.result() if absences else 'no'} absences of the Kubernetes API, memory "
            f"{half[-1][1] >> 20} MiB, slope {slope(samples) / 1024:.0f} KiB/min, ledger {lost}, "
            f"kept at half {kept[0]}, at the end {kept[1]}"
        )
    assert "Traceback" not in daemon.said
    assert "the configuration is broken" in daemon.said
    assert "the governor moves level=1" in daemon.said
    assert cluster is None or "the Kubernetes API does not answer" in daemon.said
    assert unexplained(ledger) == 0, ledger
    assert ledger["in_flight"] == 0, ledger
    assert ledger["bad_event"] == 0, ledger
    assert ledger["reported"] + ledger["not_sampled"] + ledger["ring_full"] >= 2 * traffic.exchanges, ledger
    assert grown < MOST_GROWTH_BYTES
