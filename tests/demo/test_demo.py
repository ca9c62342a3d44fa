"""`rover demo` on this machine: what it promises in the terminal is what the API tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from urllib.request import urlopen

import pytest

from rover.demo import Shop
from tests.cli.running import Running
from tests.stage.deadline import wait_until
from tests.stage.ports import free_port

ALWAYS = {"shop", "reviews"}
BY_PROGRAM = {
    "payments": ("openssl",),
    "storefront": ("nginx", "openssl"),
    "catalog": ("go",),
    "stock": ("node", "go"),  # catalog asks it
}


def _expected() -> set[str]:
    """Services that answer HTTP on this machine."""
    return ALWAYS | {name for name, needs in BY_PROGRAM.items() if all(map(shutil.which, needs))}


def _get(port: int, path: str) -> dict:
    with urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=10) as answer:
        return json.load(answer)


def _alive(mark: str) -> list[str]:
    """Command lines with this text in them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(folder.name) != os.getpid():
            found.append(line)
    return found


def _start(port: int, tmp_path: Path, *arguments: str) -> Running:
    environment = {"ROVER_BACKEND_HTTP_ADDRESS": f"127.0.0.1:{port}", "TMPDIR": str(tmp_path)}
    return Running("demo", *arguments, environment=environment)


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("openssl"), reason="without openssl nothing in the demo fails")
def test_all_services_the_failing_endpoint_and_the_slow_one_are_seen(tmp_path: Path) -> None:
    """Under their names, by their own figures; nothing is left of it in the end."""
    port = free_port()
    with _start(port, tmp_path, "--seconds", "60", "--no-stay") as demo:
        expected = _expected()

        def _is_told() -> bool:
            figures = {service["name"]: service for service in _get(port, "services")["services"]}
            return expected <= set(figures) and figures["payments"]["calls"] >= 10 and figures["reviews"]["calls"] >= 3

        wait_until(_is_told, f"figures of {sorted(expected)}", 30)
        figures = {service["name"]: service for service in _get(port, "services")["services"]}
        assert set(figures) == expected
        assert figures["reviews"]["p50_ns"] > 300_000_000
        (charge,) = _get(port, "services/payments/endpoints")["endpoints"]
        assert (charge["method"], charge["path"]) == ("POST", "/charge")
        assert 0.6 < charge["success_rate"] < 0.95
        assert _alive(str(tmp_path))
        status, _ = demo.stop(signal.SIGINT)
    assert status == 0, demo.said
    assert _alive(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
    for name in expected:
        assert f"  {name} " in demo.said
    assert f"http://127.0.0.1:{port}/topology" in demo.said


@pytest.mark.root
@pytest.mark.slow
def test_the_traffic_is_bounded_and_its_end_is_the_end(tmp_path: Path) -> None:
    """Without a terminal and by `--no-stay`."""
    with _start(free_port(), tmp_path, "--seconds", "1") as demo:
        assert demo.process.wait(30) == 0
    assert json.loads(demo.errors[-1])["captured"] > 0
    assert _alive(str(tmp_path)) == []


@pytest.mark.root
def test_the_shop_does_not_outlive_a_rover_that_is_killed(tmp_path: Path) -> None:
    """Its programs end with the thread that started them."""
    with _start(free_port(), tmp_path) as demo:
        wait_until(lambda: bool(_alive(f"{tmp_path}")), "the shop", 10)
        demo.process.kill()
        wait_until(lambda: _alive(str(tmp_path)) == [], "the end of the shop", 10)


def test_what_is_not_installed_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python alone is enough for a shop."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with Shop(1) as shop:
        shop.prepare()
        assert shop.left_out == {
            "payments": "openssl is not installed",
            "stock": "node is not installed",
            "catalog": "go is not installed",
            "storefront": "nginx is not installed",
            "phones": "node is not installed",
        }
        shop.open()
        assert [part.name for part in shop.parts] == ["cache", "reviews", "shop", "visitors"]
        shop.let_in()
        assert shop.is_busy
    assert not shop.is_busy
