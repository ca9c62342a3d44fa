"""`reporters.file` under traffic: rotated by logrotate's ways and its own, on a disk that fills up."""

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reporters.place import Place, Traffic
from tests.reporters.segments import lines
from tests.stage.deadline import wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def place_of(folder: Path, traffic: Traffic, path: Path, **settings: int) -> Place:
    place = Place(folder, [traffic.port])
    place.tree["reporters"]["oap"]["addresses"] = []
    place.tree["reporters"]["file"] = {"path": str(path), **settings}
    return place


def judge(files: list[Path], done: int, first: int) -> None:
    """Each exchange from `first` on once for each end, in whichever file."""
    records = [record for file in files for record in lines(file)]
    # Of the exchange that was under way at the start one half may be missing.
    found = Counter((record["side"], int(record["path"][1:])) for record in records if record["path"])
    assert set(found.values()) == {1}
    wanted = {(side, number) for number in range(first, done) for side in ("client", "server")}
    assert wanted - found.keys() == set()


def test_rename_and_signal_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    """As logrotate does it, five times under traffic."""
    log = tmp_path / "access.log"
    with Traffic() as traffic:
        place = place_of(tmp_path, traffic, log)
        with place.daemon() as daemon:
            first = traffic.done + 1
            for number in range(5):
                wait_until(lambda: log.exists() and log.stat().st_size > 2000, "lines", 20)
                log.rename(tmp_path / f"old.{number}")
                daemon.process.send_signal(signal.SIGUSR1)
                wait_until(log.exists, "the new file", 20)
            traffic.end()
            assert daemon.stop()[0] == 0
        judge([log, *tmp_path.glob("old.*")], traffic.done, first)


def test_files_are_rotated_by_size(tmp_path: Path) -> None:
    """None is larger than that, and no line is cut."""
    log = tmp_path / "access.log"
    with Traffic() as traffic:
        place = place_of(tmp_path, traffic, log, rotate_bytes=20_000, keep=1000)
        with place.daemon() as daemon:
            first = traffic.done + 1
            wait_until((tmp_path / "access.log.5").exists, "five files", 30)
            traffic.end()
            assert daemon.stop()[0] == 0
        files = list(tmp_path.glob("access.log*"))
        assert max(file.stat().st_size for file in files) <= 20_000
        judge(files, traffic.done, first)


DISK_BYTES = 4 << 20
"""Room for all that waits once the filler is gone: on a busy machine the daemon's line comes seconds late."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "rover-test", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_waits_is_written_when_it_has_room(tmp_path: Path, small_disk: Path) -> None:
    """No line is cut, none missing, none twice: what did not fit waited."""
    log, filler = small_disk / "access.log", small_disk / "filler"
    with Traffic(pause_s=0.02) as traffic:
        place = place_of(tmp_path, traffic, log)
        filler.write_bytes(b"x" * (DISK_BYTES - 24_000))
        with place.daemon() as daemon:
            first = traffic.done + 1
            wait_until(lambda: any("file=failing" in line for line in daemon.errors), "the line", 60)
            assert "No space left" in next(line for line in daemon.errors if "file=failing" in line)
            assert daemon.process.poll() is None
            traffic.end()
            filler.unlink()
            wait_until(lambda: any("file=works_again" in line for line in daemon.errors), "the other line", 20)
            assert daemon.stop()[0] == 0
        judge([log], traffic.done, first)
