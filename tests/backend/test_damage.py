"""What a disk, another process or another version does to the file: told in one line, counted, survived."""

import logging
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rover.backend import BackendError, BackendOptions, Store, open_store
from rover.backend.store import Filter
from rover.backend.store.file import PAGE_BYTES
from tests.backend.rows import row, traffic
from tests.stage.deadline import wait_until

START_NS = 1_800_000_000_000_000_000
ALWAYS = (0, 2**63 - 1)


def fill(options: BackendOptions, count: int = 3000) -> None:
    """A store with rows in it, closed again."""
    store = open_store(options)
    store.put(list(traffic(count, START_NS)))
    store.close()


def works(store: Store) -> bool:
    """Whether a row that is put now can be read."""
    new = row(time.time_ns(), 4711)
    return store.put([new]) == 1 and store.flush() and store.exchange(new[0]) == new[17].encode()


@pytest.mark.parametrize("damage", ["not_sqlite", "cut", "overwritten"])
def test_a_corrupt_file_is_set_aside_and_a_new_one_begun(
    options: BackendOptions, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """At start: one line says it, the old file stays for whoever wants to rescue it."""
    fill(options)
    content = options.store_path.read_bytes()
    if damage == "not_sqlite":
        options.store_path.write_bytes(b"this is no database\n" * 1000)
    elif damage == "cut":
        options.store_path.write_bytes(content[: len(content) // 3])
    else:
        options.store_path.write_bytes(content[:PAGE_BYTES] + os.urandom(len(content) - PAGE_BYTES))
    damaged = options.store_path.read_bytes()
    with caplog.at_level(logging.ERROR):
        store = open_store(options)
    assert [record.message.count("\n") for record in caplog.records] == [0]
    assert "store=corrupt" in caplog.text
    assert works(store)
    store.close()
    # Looking at it has changed at most its first page.
    assert Path(f"{options.store_path}.corrupt").read_bytes()[PAGE_BYTES:] == damaged[PAGE_BYTES:]


def test_a_file_that_becomes_corrupt_while_in_use_is_replaced(
    options: BackendOptions, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process overwrites it: rows go on being stored and read, in a new file."""
    store.put(list(traffic(3000, START_NS)))
    assert store.flush()
    sqlite3.connect(options.store_path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = options.store_path.stat().st_size
    with open(options.store_path, "r+b") as file:
        file.write(b"\xff" * size)
    wait_until(lambda: works_or_fails(store), "rows are stored in a new file", 20)
    assert "store=corrupt" in caplog.text
    assert Path(f"{options.store_path}.corrupt").exists()
    assert store.facts().lost.get("corrupt", 0) >= 1 or store.facts().lost == {}


def works_or_fails(store: Store) -> bool:
    """Whether the store works again; a query may fail until then."""
    try:
        return works(store)
    except OSError:
        return False


def test_a_damaged_page_that_a_reader_finds_is_examined(
    options: BackendOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """The writer only touches the newest pages: damage elsewhere is found by a query, which has it seen to."""
    fill(options, 30_000)
    content = bytearray(options.store_path.read_bytes())
    # Leaves of a WITHOUT ROWID table begin with 10; only `exchange` names the peer's service.
    pages = range(0, len(content), PAGE_BYTES)
    leaves = [at for at in pages if content[at] == 10 and b"frontend" in content[at : at + PAGE_BYTES]]
    damaged = leaves[len(leaves) // 2]
    content[damaged : damaged + PAGE_BYTES] = b"\xee" * PAGE_BYTES
    options.store_path.write_bytes(content)
    store = open_store(options)
    assert caplog.text == ""
    with pytest.raises(OSError, match="cannot be read"):
        store.exchanges(Filter(path="/nothing/*"), *ALWAYS)
    wait_until(lambda: Path(f"{options.store_path}.corrupt").exists(), "the file is set aside", 20)
    assert works(store)
    assert store.exchanges(Filter(), *ALWAYS).next is None
    store.close()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_a_file_that_somebody_removes_is_made_again(
    options: BackendOptions, store: Store, caplog: pytest.LogCaptureFixture, suffixes: tuple[str, ...]
) -> None:
    """Rather than writing on into a file that nobody can open any more."""
    assert works(store)
    for suffix in suffixes:
        os.unlink(f"{options.store_path}{suffix}")
    store.put([row(START_NS, 1)])
    assert store.flush()
    assert works(store)
    assert options.store_path.exists()
    assert caplog.text.count("store=gone") == 1
    checked = sqlite3.connect(options.store_path)
    assert checked.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    checked.close()


def test_a_damaged_block_costs_its_records_only(options: BackendOptions) -> None:
    """SQLite has no checksums: a flipped bit inside a value is found when it is decompressed."""
    fill(options, 200)
    connection = sqlite3.connect(options.store_path)
    connection.execute("UPDATE block SET records = zeroblob(100) WHERE first = 65")
    connection.commit()
    connection.close()
    store = open_store(options)
    assert len(store.exchanges(Filter(), *ALWAYS, limit=500).records) == 200 - 64
    store.close()


def test_a_second_rover_on_the_same_file_is_refused(options: BackendOptions, store: Store) -> None:
    """One writer: the second one is told, the first one is not disturbed."""
    with pytest.raises(BackendError, match="in use by another rover") as caught:
        open_store(options)
    assert caught.value.key == "backend.store.path"
    assert "\n" not in str(caught.value)
    assert works(store)


def test_the_file_can_be_opened_again_after_it_was_closed(options: BackendOptions) -> None:
    """The lock goes with the store."""
    fill(options)
    fill(options)


def test_a_file_of_a_newer_rover_is_refused_and_left_alone(options: BackendOptions) -> None:
    """A downgrade must not guess at a layout that it does not know."""
    fill(options)
    connection = sqlite3.connect(options.store_path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('rover', '9999_future', '')"
    )
    connection.commit()
    connection.close()
    with pytest.raises(BackendError, match=r"newer rover .*9999_future"):
        open_store(options)
    assert not Path(f"{options.store_path}.corrupt").exists()


@pytest.mark.parametrize("where", ["below_a_file", "is_a_folder"])
def test_a_path_that_cannot_be_used_is_named(tmp_path: Path, where: str) -> None:
    """One line that names the path; the command line adds the key."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "db" if where == "below_a_file" else tmp_path
    with pytest.raises(BackendError) as caught:
        open_store(BackendOptions(store_path=path))
    assert caught.value.key == "backend.store.path"
    assert str(path) in str(caught.value) or str(path.parent) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_counted_told_once_and_survived(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rows that find no room are lost and counted; what was stored can be read; with room, storing goes on."""
    ballast = small_disk / "ballast"
    store = open_store(BackendOptions(store_path=small_disk / "rover.db"))
    kept = list(traffic(500, START_NS))
    assert store.put(kept) == 500
    assert store.flush()
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * (8 << 20))
    with caplog.at_level(logging.WARNING):
        for part in range(8):
            store.put(list(traffic(4000, START_NS + (part + 1) * 10**12)))
            assert store.flush()
    lost = store.facts().lost
    assert lost["disk_full"] >= 4000
    assert store.facts().stored + sum(lost.values()) == 500 + 8 * 4000
    assert caplog.text.count("store=failing") == 1
    assert store.exchange(kept[0][0]) == kept[0][17].encode()
    ballast.unlink()
    assert works(store)
    assert "store=works_again" in caplog.text
    assert store.facts().lost == lost
    checked = sqlite3.connect(small_disk / "rover.db")
    assert checked.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    checked.close()
    store.close()
