"""Fixtures for tests against a running rover."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stage.alone import Alone
from tests.stage.dialogue import Dialogue
from tests.stage.judge import Judge
from tests.stage.mover import SOURCE
from tests.stage.ports import free_port
from tests.stage.rover import EXECUTABLE, Rover, unexplained

ROOMY = {"ROVER_KERNEL_RING_BYTES": str(64 << 20)}
"""These tests are about what is told, not about how much may be lost when others take the CPU: test_overload.py is."""

os.environ.setdefault("ROVER_REPORTERS_OAP_SPOOL_PATH", "null")
"""No test leaves anything for the next: those about the spool give it a folder of their own."""

STAGE_PROGRAMS = Path(__file__).parent / "stage/programs"

PORTS_PER_MODULE = 96
"""How many ports a module's rover watches: each test takes fresh ones, so that its records are its own."""


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks used here, and keep daemons apart from one that this machine may have."""
    alone = Alone()
    os.environ.update(alone.variables)
    config.add_cleanup(alone.close)
    config.addinivalue_line("markers", "root: needs root and a kernel that lets BPF programs in")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "kube: run by `make kube`, which builds what they need; skipped without that")
    config.addinivalue_line(
        "markers", "oap: run by `make oap`, which fetches a real SkyWalking OAP; skipped without that"
    )
    config.addinivalue_line("markers", "vm: boots a kernel under emulation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this user or machine cannot run; in CI, where all must run, nothing is skipped."""
    if "CI" in os.environ:
        return
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        elif item.get_closest_marker("root") and not EXECUTABLE.exists():
            item.add_marker(pytest.mark.skip(reason=f"{EXECUTABLE} is not built: make build"))


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """Ports that the module's rover watches, to be taken from with `pop`."""
    return [free_port() for _ in range(PORTS_PER_MODULE)]


@pytest.fixture(scope="module")
def judge(ports: list[int], request: pytest.FixtureRequest) -> Iterator[Judge]:
    """A judge over one rover that watches the module's ports.

    When the module is done rover is stopped; then its ledger must balance, and nothing may have been told of any port
    after the verdict on it. If a test of the module failed, the ledger is printed: it tells what became of the rest.
    """
    failed_before = request.session.testsfailed
    filters = [word for port in ports for word in ("--port", str(port))]
    with Rover("--query", "keep", *filters, environment=ROOMY) as rover:
        judge = Judge(rover)
        yield judge
        ledger = rover.stop()
    if request.session.testsfailed > failed_before:
        request.config.get_terminal_writer().line(f"\nledger of {request.node.nodeid}: {ledger}")
    judge.require_no_afterthought()
    assert unexplained(ledger) == 0, ledger


@pytest.fixture
def dialogue(judge: Judge, ports: list[int]) -> Iterator[Callable[..., Dialogue]]:
    """Opens connections of which the test says every byte: `dialogue(family="IPv4", port=None)`."""
    opened: list[Dialogue] = []

    def open_one(family: str = "IPv4", port: int | None = None) -> Dialogue:
        opened.append(Dialogue(port or ports.pop(), family))
        return opened[-1]

    yield open_one
    for each in opened:
        each.client.close()
        each.server.close()


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Path of a program that the test needs. Without it the test is skipped, in CI it fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and "CI" not in os.environ:
            pytest.skip(f"{name} is not installed")
        assert path is not None, f"{name} is not installed"
        return path

    return find


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for programs that tests compile."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="session")
def go_server(program: Callable[[str], str], build_folder: Path) -> Callable[[], Path]:
    """The compiled programs/go_server.go, by the standard library alone."""

    def build() -> Path:
        binary = build_folder / "go-server"
        if not binary.exists():
            command = [program("go"), "build", "-o", binary, STAGE_PROGRAMS / "go_server.go"]
            subprocess.run(command, check=True, timeout=300, env={**os.environ, "GO111MODULE": "off"})
        return binary

    return build


@pytest.fixture(scope="session")
def mover(program: Callable[[str], str], build_folder: Path) -> Path:
    """The compiled mover, see stage/mover.py."""
    binary = build_folder / "mover"
    subprocess.run([program("gcc"), "-O1", "-o", binary, SOURCE, "-luring"], check=True, timeout=60)
    return binary
