"""What waits on disk: a real daemon, a real backend, and everything between them that can be killed or filled up."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.reporters import segments
from tests.reporters.place import Place, Traffic, kill
from tests.stage.deadline import wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

SECONDS = 30.0


def said(daemon, words: str) -> int:
    """How many lines of the daemon's stderr have these words."""
    return sum(words in line for line in daemon.errors)


def expected(done: int) -> Counter:
    return Counter((side, f"/{number}") for number in range(done) for side in ("client", "server"))


def found(place: Place) -> Counter:
    # Of the exchange that was under way at the start one half may be missing.
    return Counter((side, path) for _, side, path in place.stored() if path)


@pytest.mark.slow
def test_nothing_is_lost_while_the_backend_is_killed_and_restarted(tmp_path: Path) -> None:
    """Each exchange is stored once for each end, though streams break and records wait on disk meanwhile."""
    with Traffic() as traffic:
        place = Place(tmp_path, [traffic.port])
        with place.daemon() as daemon:
            first = traffic.done + 1
            for _ in range(3):
                with place.backend() as backend:
                    before = len(place.stored())
                    wait_until(lambda before=before: len(place.stored()) > before, "records in the backend", SECONDS)
                    kill(backend)
                wait_until(lambda: segments.contents(place.spool), "records on disk", SECONDS)
            traffic.end()
            with place.backend() as backend:
                wanted = expected(traffic.done)
                enough = sum(int(path[1:]) >= first for _, path in wanted)
                wait_until(lambda: sum(found(place).values()) >= enough, "all records", SECONDS)
                wait_until(lambda: not segments.contents(place.spool), "an empty spool", SECONDS)
                assert daemon.stop()[0] == 0
                assert backend.stop()[0] == 0
        stored = found(place)
        missing = [key for key in wanted if int(key[1][1:]) >= first and key not in stored]
        assert missing == []
        assert set(stored.values()) == {1}
        assert "Traceback" not in daemon.said


@pytest.mark.slow
def test_an_unreachable_backend_is_told_once_and_its_return_too(tmp_path: Path) -> None:
    """In one line each, with the address and the reason."""
    place = Place(tmp_path, [1])
    with place.daemon() as daemon:
        wait_until(lambda: said(daemon, "backend=unreachable"), "the line", 10)
        line = next(line for line in daemon.errors if "backend=unreachable" in line)
        assert f"127.0.0.1:{place.grpc}" in line
        assert "Connection refused" in line
        with place.backend():
            wait_until(lambda: said(daemon, "backend=reachable"), "the other line", SECONDS)
        daemon.stop()
    assert (said(daemon, "backend=unreachable"), said(daemon, "backend=reachable")) == (1, 1)


@pytest.mark.slow
def test_records_that_were_not_sent_at_the_end_are_sent_by_the_next_daemon(tmp_path: Path) -> None:
    """An upgrade while the backend is away."""
    with Traffic() as traffic:
        place = Place(tmp_path, [traffic.port])
        with place.daemon() as daemon:
            start = traffic.done + 1
            wait_until(lambda: traffic.done > start + 50, "traffic")
            assert daemon.stop()[0] == 0
        ids = segments.ids(place.spool)
        assert len(ids) > 50
    with place.daemon(), place.backend():
        wait_until(lambda: ids <= {stored for stored, _, _ in place.stored()}, "records of the first daemon", SECONDS)
        wait_until(lambda: not segments.contents(place.spool), "an empty spool", SECONDS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "rover-test", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_neither_ends_nor_stalls_the_daemon(tmp_path: Path, small_disk: Path) -> None:
    """It is told, memory takes over, and the disk is used again when it has room."""
    filler = small_disk / "filler"
    with Traffic() as traffic:
        place = Place(tmp_path, [traffic.port])
        place.spool = small_disk / "spool"
        place.tree["reporters"]["oap"]["spool"]["path"] = str(place.spool)
        with place.daemon() as daemon:
            wait_until(lambda: segments.contents(place.spool), "records on disk", SECONDS)
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(b"x" * (16 << 20))
            wait_until(lambda: said(daemon, "spool=failing"), "the line", SECONDS)
            assert "No space left" in next(line for line in daemon.errors if "spool=failing" in line)
            filler.unlink()
            wait_until(lambda: said(daemon, "spool=works_again"), "the line that it works again", SECONDS)
            traffic.end()
            with place.backend():
                wait_until(lambda: found(place)["server", f"/{traffic.done - 1}"], "the last record", SECONDS)
                wait_until(lambda: not segments.contents(place.spool), "an empty spool", SECONDS)
                assert daemon.stop()[0] == 0
        paths = sorted(int(path[1:]) for side, path in found(place) if side == "server")
        assert paths == list(range(paths[0], traffic.done)), "nothing is missing: memory had room"


def kill_at_random_moments(place: Place, traffic: Traffic, kills: int) -> None:
    chance = random.Random(kills)
    kept: set[str] = set()
    with ExitStack() as stack:
        backend = None
        for _ in range(kills):
            if backend is None and chance.random() < 0.5:
                backend = stack.enter_context(place.backend())
            elif backend is not None and chance.random() < 0.4:
                kill(backend)
                backend = None
            with place.daemon() as daemon:
                # The one wait of these tests that is not for a condition: the moment is what is tried out.
                time.sleep(chance.uniform(0, 1.6))
                kill(daemon)
            kept |= segments.ids(place.spool) | {stored for stored, _, _ in place.stored()}
        traffic.end()
        if backend is None:
            stack.enter_context(place.backend())
        with place.daemon() as daemon:
            wait_until(lambda: not segments.contents(place.spool), "an empty spool", 60)
            assert daemon.stop()[0] == 0
        stored = [stored for stored, _, _ in place.stored()]
        assert len(kept) > 5 * kills
        assert kept - set(stored) == set()
        assert len(stored) == len(set(stored))
        assert set(found(place).values()) == {1}, "also none twice under another id"


@pytest.mark.slow
def test_a_daemon_that_is_killed_at_any_moment_loses_nothing_that_was_spooled(tmp_path: Path) -> None:
    """Acknowledged records are in the backend once, spooled ones at least once, which it makes once by their ids."""
    with Traffic() as traffic:
        kill_at_random_moments(Place(tmp_path, [traffic.port]), traffic, 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_daemon_that_is_killed_a_hundred_times(tmp_path: Path) -> None:
    """The same, longer."""
    with Traffic() as traffic:
        kill_at_random_moments(Place(tmp_path, [traffic.port]), traffic, 100)
