"""A real swctl: the only release that the Go module proxy has, 0.1.0 by its own word, asks the older queries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.backend.graphql.test_queries import START_S, Ask, ask, minute, service_id  # noqa: F401

PACKAGE = "github.com/apache/skywalking-cli/swctl"
Swctl = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed: apt-get install golang-go"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """swctl, built."""
    built = tmp_path_factory.mktemp("swctl") / "swctl"
    command = ["go", "build", "-mod=readonly", "-o", str(built), PACKAGE]
    subprocess.run(command, cwd=Path(__file__).parent / "swctl", check=True, timeout=240)
    return built


@pytest.fixture
def swctl(program: Path, client: httpx.Client, ask: Ask) -> Swctl:  # noqa: F811
    """Runs a command over the traffic of `ask`, and reads what it says."""

    def run(*words: str) -> Any:
        command = [str(program), f"--base-url={client.base_url.join('/graphql')}", "--display=json", *words]
        done = subprocess.run(command, env=os.environ | {"TZ": "UTC"}, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_swctl_lists_and_reads(swctl: Swctl) -> None:
    """Services, instances, endpoints, and values of a metric minute by minute."""
    span = f"--start={minute(START_S)}", f"--end={minute(START_S + 120)}", "--step=MINUTE"
    assert [found["name"] for found in swctl("service", "ls", *span)] == ["cart", "frontend"]
    cart = service_id("cart")
    assert [found["name"] for found in swctl("instance", "ls", f"--service-id={cart}", *span)] == ["cart-1"]
    assert [found["name"] for found in swctl("endpoint", "ls", f"--service-id={cart}")] == ["GET:/items/{id}"]
    metric = "--name=kubernetes_service_http_call_cpm"
    values = swctl("linear-metrics", metric, f"--id={cart}", *span)
    times = [time.strftime("%Y-%m-%d %H%M", time.gmtime(START_S + at)) for at in (0, 60, 120)]
    assert values == dict(zip(times, [10, 5, 0], strict=True))
    assert [found["value"] for found in swctl("single-metrics", metric, f"--ids={cart}", *span)] == [7]
