"""`make install` into a root of its own, what runs from there under the unit's capabilities, upgrade and uninstall."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Running
from tests.packaging.conftest import ROOT, make
from tests.packaging.unit import capabilities
from tests.stage.ports import free_port

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def root(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was installed to."""
    place = tmp_path_factory.mktemp("root")
    make("install", f"DESTDIR={place}")
    return place


@pytest.fixture
def inside(root: Path) -> tuple[str, ...]:
    """Words before a command that sees /usr as if rover were installed in it, and may do what the unit allows."""
    over = f"mount -t overlay rover -o lowerdir={root}/usr:/usr /usr"
    bounding = ",".join(("-all", *(f"+{name}" for name in capabilities())))
    limited = f'PATH=/nonexistent exec /usr/bin/setpriv --no-new-privs --bounding-set {bounding} "$@"'
    return ("unshare", "--mount", "/bin/sh", "-c", f"{over} && {limited}", "sh")


def test_everything_is_where_debian_would_have_it(root):
    modes = {
        "usr/bin/rover": 0o755,
        "usr/lib/rover/rover/_engine.abi3.so": 0o755,
        "usr/lib/systemd/system/rover.service": 0o644,
        "etc/rover/rover.yaml": 0o600,
        "var/lib/rover": 0o700,
    }
    assert {name: (root / name).stat().st_mode & 0o777 for name in modes} == modes
    assert (root / "etc/rover/rover.yaml").read_bytes() == (ROOT / "config/rover.yaml").read_bytes()


def test_nothing_of_it_knows_where_it_was_staged(root):
    found = subprocess.run(["grep", "-rlF", str(root), str(root)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "")


def test_the_daemon_works_with_the_unit_s_capabilities_alone(root, inside, tmp_path):
    """As systemd would start it: root with a bounding set, no new privileges, an empty path."""
    records, port = tmp_path / "records", free_port()
    settings = {"reporters": {"oap": {"addresses": []}, "file": {"path": str(records)}}, "watch": {"ports": [port]}}
    (tmp_path / "rover.yaml").write_text(json.dumps(settings))
    server = subprocess.Popen(
        ["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        arguments = ("daemon", "-c", str(tmp_path / "rover.yaml"))
        executable = Path("/usr/bin/rover")
        with Running(*arguments, before=inside, executable=executable) as rover:
            subprocess.run(
                ["curl", "-so", "/dev/null", "--retry-connrefused", "--retry", "9", f"127.0.0.1:{port}/of-the-unit"]
            )
            code, _ = rover.stop()
        assert code == 0, rover.said
    finally:
        server.kill()
        server.wait()
    found = [json.loads(line) for line in records.read_text().splitlines()]
    assert {record["side"] for record in found if record["path"] == "/of-the-unit"} == {"server", "client"}
    assert all(record["local"]["identity"]["executable"] for record in found)


def test_no_privilege_is_missing(inside):
    done = subprocess.run([*inside, "/usr/bin/rover", "doctor", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(each["held"] for each in json.loads(done.stdout)["privileges"])


def test_an_upgrade_keeps_the_configuration_and_uninstall_asks_for_more(wheel, tmp_path):
    """With another prefix: the unit and the command follow."""
    words = (f"DESTDIR={tmp_path}", "PREFIX=/opt/rover")
    settings = tmp_path / "etc/rover/rover.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("log: {level: warning}\n")
    left_over = tmp_path / "opt/rover/lib/rover/of-an-older-version.py"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    assert "kept: " in make("install", *words)
    assert settings.read_text() == "log: {level: warning}\n"
    assert (settings.parent / "rover.yaml.new").exists()
    assert not left_over.exists()
    unit = (tmp_path / "opt/rover/lib/systemd/system/rover.service").read_text()
    assert "ExecStart=/opt/rover/bin/rover daemon" in unit
    assert 'insert(0, "/opt/rover/lib/rover")' in (tmp_path / "opt/rover/bin/rover").read_text()

    make("uninstall", *words)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["rover.yaml"]
    make("uninstall", *words, "PURGE=1")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "var/lib/rover").exists()
