"""`python -m bench.ingest`: what the backend takes over the wire on one core, and where the time goes. A minute.

A sender on one core, the whole backend on another: gRPC receiver, rows, metrics, SQLite, as `rover backend` runs them.
CPU time is told by thread, so what else the machine does counts only in the rate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import httpx

from tests.wire.programs import programs_folder

THREADS = {
    "rover-ingest": "gRPC, rows",
    "row-pump": "rows to Python",
    "store-writer": "records and metrics into SQLite",
}


def main() -> int:
    """Measure and print; returns 1 when a core takes less than 20 000 exchanges a second."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    parser.add_argument("--folder", type=Path, help="run the backend with its database there (used by itself)")
    options = parser.parse_args()
    if options.folder:
        return serve(options.folder)
    rounds = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="rover-bench.") as folder:
            rounds.append(measure(Path(folder), options.records))
        print(f"round {number + 1}: {rounds[-1]['rate']:.0f}/s", file=sys.stderr, flush=True)
    middle = {name: median(each.get(name, 0.0) for each in rounds) for name in sorted({n for r in rounds for n in r})}
    whole_us = sum(us for name, us in middle.items() if name not in ("rate", "bytes"))
    print(f"rate, with what else runs here   {middle['rate']:9.0f} exchanges/s")
    print(f"a core takes                     {1e6 / whole_us:9.0f} exchanges/s, {whole_us:.1f} µs of CPU each:")
    for name, us in sorted(middle.items(), key=lambda each: -each[1]):
        if name not in ("rate", "bytes"):
            print(f"  {THREADS.get(name, name):31}{us:9.2f} µs")
    print(f"disk, journal not included       {middle['bytes']:9.0f} bytes each")
    return 0 if 1e6 / whole_us >= 20_000 else 1


def measure(folder: Path, records: int) -> dict[str, float]:
    """Exchanges a second, and µs of CPU for each by thread."""
    command = [sys.executable, "-m", "bench.ingest", "--folder", str(folder)]
    cores = sorted(os.sched_getaffinity(0))
    backend = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores[-1:]),
    )
    assert backend.stdin
    assert backend.stdout
    try:
        address = json.loads(backend.stdout.readline())
        options = json.dumps({"addresses": [address], "node_name": "bench", "queue_bytes": 1 << 30})
        # Nothing is dropped: what the backend does not take at once waits in the sender's memory.
        send = [str(programs_folder() / "send_records"), options, str(records), f"at={time.time_ns()}"]
        sent = subprocess.run(
            send, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores[:1])
        )
        acked = json.loads(sent.stdout)["acked"]
        seconds = int(sent.stderr.partition("elapsed_ms=")[2].split()[0]) / 1000
        backend.stdin.write("\n")
        backend.stdin.flush()
        told = json.loads(backend.stdout.readline())
        if told["stored"] != acked or not acked:
            raise SystemExit(f"bench: {acked} acknowledged, {told['stored']} stored")
        each = {name: ns / acked / 1000 for name, ns in told["cpu_ns"].items()}
        return {**each, "rate": acked / seconds, "bytes": told["bytes"] / acked}
    finally:
        backend.stdin.close()
        backend.wait(30)


def serve(folder: Path) -> int:
    """A backend: prints its address, then for a line of stdin what it took."""
    from rover.cli.serving import Serving
    from rover.config import load

    any_port = {
        "ROVER_BACKEND_STORE_PATH": str(folder / "rover.db"),
        "ROVER_BACKEND_STORE_RETENTION_BYTES": "8 GiB",
        "ROVER_BACKEND_GRPC_ADDRESS": "127.0.0.1:0",
        "ROVER_BACKEND_HTTP_ADDRESS": "127.0.0.1:0",
    }
    serving = Serving(load(None, any_port).config, dict)
    url, address = serving.start()
    before = cpu_ns()
    print(json.dumps(address), flush=True)
    sys.stdin.readline()
    took = {name: ns - before.get(name, 0) for name, ns in cpu_ns().items()}
    store = httpx.get(url + "api/node").json()["store"]
    print(json.dumps({"cpu_ns": took, "stored": store["stored"], "bytes": store["used_bytes"]}), flush=True)
    serving.stop()
    return 0


def cpu_ns() -> dict[str, int]:
    """CPU time of this process by thread, those without a known name together."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, int] = {}
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), (task / "comm").read_text().strip())
        name = name if name in THREADS else "all else"
        found[name] = found.get(name, 0) + int((task / "schedstat").read_text().split()[0])
    return found


if __name__ == "__main__":
    sys.exit(main())
