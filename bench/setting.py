"""What a measurement runs against: an nginx under a load by wrk, and a rover that reports it to a draining receiver."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stage.bpf import Runs, runs_by_program
from tests.stage.cpu import cpu_ns_by_thread, resident_bytes
from tests.stage.deadline import wait_until
from tests.stage.nginx import Nginx
from tests.stage.ports import free_port, wait_listening
from tests.stage.rover import Ledger, Rover

MOST_SETTLING = 60.0
"""Seconds after `ready` in which the work of the start must be over."""
IDLE_NS = 50_000_000
"""CPU time of a second that a daemon with nothing to do stays below."""


@dataclass(frozen=True)
class Level:
    """How much is measured below the socket, by what kind of hooks, and what that may cost for each exchange.

    `bpf_us` and `engine_us` are in the unit of the plan, `server` is the server's own CPU with rover to without."""

    layers: str = "none"
    attach: str = "auto"
    bpf_us: float | None = None
    engine_us: float | None = None
    server: float | None = None

    def __str__(self) -> str:
        return f"layers {self.layers}" + (f", {self.attach}" if self.attach != "auto" else "")


@dataclass(frozen=True)
class Plan:
    """How long and how often to measure. `unit` names what a thousand nanoseconds of CPU time are."""

    folder: Path
    rounds: int = 5
    seconds: int = 4
    connections: int = 16
    unit: str = "µs"
    level: Level = Level()


@dataclass(frozen=True)
class Load:
    """What one load did: requests that nginx counted and the CPU time that its worker took for them."""

    requests: int
    seconds: float
    cpu_ns: int

    @property
    def per_second(self) -> float:
        """Requests per second as wrk saw them."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU of the server per request, in microseconds."""
        return self.cpu_ns / self.requests / 1000


@contextmanager
def server(folder: Path, listen: str = "") -> Iterator[Nginx]:
    """One nginx worker that answers from memory and writes no log: the cheapest exchange that a real server has."""
    with Nginx(folder, free_port(), has_log=False, listen=listen) as nginx:
        yield nginx


@contextmanager
def https_server(folder: Path) -> Iterator[Nginx]:
    """The same, and over TLS on a port of its own: `tls_url`."""
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate, port = folder / "key.pem", folder / "certificate.pem", free_port()
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", *words, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    extra = f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
    with Nginx(folder, free_port(), has_log=False, server=extra) as nginx:
        nginx.tls_url = f"https://127.0.0.1:{port}"
        yield nginx


def requests_counted(nginx: Nginx) -> int:
    """Requests that nginx has counted since its start, this question included; asked when nobody else is connected."""

    def counted() -> int:
        with urllib.request.urlopen(nginx.url("/requests"), timeout=10) as answer:
            words = answer.read().split()
        return int(words[9]) if int(words[2]) == 1 else 0

    return wait_until(counted, "the end of all other connections to nginx")


def run_load(nginx: Nginx, plan: Plan, script: str | None = None, seconds: int | None = None) -> Load:
    """Wrk at full speed, or as fast as `script` lets it, on kept connections."""
    (worker,) = nginx.worker_pids()
    wrk = ["wrk", "-t1", f"-c{plan.connections}", f"-d{seconds or plan.seconds}s"]
    if script:
        (plan.folder / "load.lua").write_text(script)
        wrk += ["-s", str(plan.folder / "load.lua")]
    requests, spent = requests_counted(nginx), server_cpu_ns(worker)
    url = nginx.tls_url + "/small" if nginx.tls_url else nginx.url("/small")
    done = subprocess.run([*wrk, url], check=True, capture_output=True, text=True, timeout=600)
    spent, requests = server_cpu_ns(worker) - spent, requests_counted(nginx) - requests
    took = re.search(r"requests in ([\d.]+)(s|m)", done.stdout)
    assert took, done.stdout
    return Load(requests, float(took[1]) * (60 if took[2] == "m" else 1), spent)


HEADERS = ("accept: */*", "accept-language: en", "x-request-id: 18bc1d7a", "x-team: shop", "cache-control: no-cache")
"""With the four of each request and h2load's user-agent ten headers a request; nginx answers with five."""


def run_http2_load(nginx: Nginx, plan: Plan, streams: int, seconds: int | None = None) -> Load:
    """H2load at full speed on kept connections, so many streams at a time on each; it counts the requests itself."""
    (worker,) = nginx.worker_pids()
    h2load = ["h2load", f"-c{plan.connections}", f"-m{streams}", f"-D{seconds or plan.seconds}"]
    headers = [word for header in HEADERS for word in ("-H", header)]
    spent = server_cpu_ns(worker)
    command = [*h2load, *headers, nginx.url("/small")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    spent = server_cpu_ns(worker) - spent
    counted = re.search(r"(\d+) done, (\d+) succeeded", done.stdout)
    assert counted, done.stdout
    assert counted[1] == counted[2], done.stdout
    return Load(int(counted[1]), float(seconds or plan.seconds), spent)


def server_cpu_ns(worker: int) -> int:
    """CPU time of nginx's worker."""
    return int(Path(f"/proc/{worker}/schedstat").read_text().split()[0])


@dataclass
class Observed:
    """A running daemon that watches only the server, and what it has cost since the block began."""

    rover: Rover
    _cpu_before: dict[str, int]
    _runs_before: dict[str, Runs]
    ledger: Ledger | None = None
    received: int | None = None
    """Exchanges that arrived at the receiver; known after the block, as are the others without a value yet."""
    peak_bytes: int | None = None

    def mark(self) -> None:
        """Count costs from here on."""
        self._cpu_before, self._runs_before = cpu_ns_by_thread(self.rover.pid), runs_by_program(self.rover.pid)

    def cpu_ns(self) -> dict[str, int]:
        """CPU time of each thread since the mark."""
        now = cpu_ns_by_thread(self.rover.pid)
        return {name: spent - self._cpu_before.get(name, 0) for name, spent in now.items()}

    def runs(self) -> dict[str, Runs]:
        """Runs of each BPF program since the mark; their time is counted only while statistics are on."""
        now, none = runs_by_program(self.rover.pid), Runs(0, 0)
        before = {name: self._runs_before.get(name, none) for name in now}
        return {
            name: Runs(ran.runs - before[name].runs, ran.time_ns - before[name].time_ns) for name, ran in now.items()
        }


def _settle(pid: int) -> None:
    """Wait until the work of the start is over: every process taken in, every library searched."""
    end, before = time.monotonic() + MOST_SETTLING, sum(cpu_ns_by_thread(pid).values())
    while time.monotonic() < end:
        time.sleep(1)
        now = sum(cpu_ns_by_thread(pid).values())
        if now - before < IDLE_NS:
            return
        before = now


@contextmanager
def observed(plan: Plan, watched: str = "nginx") -> Iterator[Observed]:
    """A `rover daemon` that watches one executable and reports to a draining receiver, while the block runs."""
    port, count = free_port(), plan.folder / "received"
    file = plan.folder / "rover.yaml"
    file.write_text(
        f"watch:\n  include:\n    - exe: {watched}\nreporters:\n  oap:\n    addresses: [127.0.0.1:{port}]\n"
        f"    spool:\n      path: {plan.folder / 'spool'}\n"
        f"capture:\n  layers: {plan.level.layers}\nkernel:\n  attach: {plan.level.attach}\n"
    )
    receiver = subprocess.Popen([sys.executable, "-m", "bench.receiver", str(port), str(count)], env=dict(os.environ))
    try:
        wait_listening(port, seconds=60)
        with Rover("-c", str(file), command=("daemon",)) as rover:
            _settle(rover.pid)
            observation = Observed(rover, {}, {})
            observation.mark()
            yield observation
            observation.peak_bytes = resident_bytes(rover.pid, is_peak=True)
            observation.ledger = rover.stop(60)
    finally:
        receiver.terminate()
        receiver.wait(20)
    observation.received = int(count.read_text())
