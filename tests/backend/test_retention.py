"""What is too old or too much goes, and nothing else, and not at the cost of what comes in."""

import dataclasses
import os
import sqlite3
import time
from pathlib import Path

import pytest

from rover.backend import BackendOptions, open_store
from rover.backend.store import Filter, retain
from rover.backend.store.file import StoreFile
from rover.backend.store.insert import Inserter
from rover.backend.store.metrics import roll
from rover.backend.store.query import exchange, exchanges
from rover.backend.store.retain import Retention
from tests.backend.rows import row, traffic
from tests.stage.deadline import wait_until

HOUR_NS = 3600 * 10**9
ALWAYS = (0, 2**63 - 1)


class Bench:
    """Inserter and retention over one connection, without threads: time is an argument."""

    def __init__(self, path: Path, **options: float) -> None:
        self.options = dataclasses.replace(BackendOptions(store_path=path), **options)  # type: ignore[arg-type]
        self.connection: sqlite3.Connection = StoreFile(path).connect()
        self.inserter = Inserter(self.connection, self.options)
        self.retention = Retention(self.connection, self.options)

    def ids(self) -> list[str]:
        """Ids that are stored, newest first."""
        return [record[7:39].decode() for record in exchanges(self.connection, Filter(), *ALWAYS, limit=10**6).records]

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_what_is_older_than_the_limit_goes_and_the_rest_stays(tmp_path: Path) -> None:
    """Age counts from when a record was written."""
    bench = Bench(tmp_path / "db", retention_hours=2)
    now_ns = time.time_ns()
    bench.inserter.write(list(traffic(3000, now_ns - HOUR_NS)))
    while bench.retention.step(now_ns=now_ns + HOUR_NS):
        pass
    assert bench.count("exchange") == 3000
    bench.connection.execute("UPDATE block SET written_ns = written_ns - ? WHERE first <= 1025", (HOUR_NS,))
    while bench.retention.step(now_ns=now_ns + HOUR_NS + HOUR_NS // 2):
        pass
    assert bench.count("exchange") == 3000 - 17 * 64
    assert len(bench.ids()) == 3000 - 17 * 64


def test_one_step_removes_a_bounded_number(tmp_path: Path) -> None:
    """So that rows that wait for the writer wait for milliseconds."""
    bench = Bench(tmp_path / "db", retention_hours=1)
    now_ns = time.time_ns()
    bench.inserter.write(list(traffic(5000, now_ns)))
    assert bench.retention.step(now_ns=now_ns + 2 * HOUR_NS)
    assert bench.count("exchange") == 5000 - retain.BLOCKS_A_STEP * 64
    assert bench.retention.step(rows=1000, now_ns=now_ns + 2 * HOUR_NS)
    assert 5000 - retain.BLOCKS_A_STEP * 64 - 2100 <= bench.count("exchange") <= 5000 - retain.BLOCKS_A_STEP * 64 - 2000


def test_the_oldest_go_until_the_size_fits(tmp_path: Path) -> None:
    """And the newest stay."""
    bench = Bench(tmp_path / "db", retention_bytes=2 << 20)
    rows = list(traffic(20_000, time.time_ns()))
    bench.inserter.write(rows)
    assert bench.retention.used_bytes() > 4 << 20
    while bench.retention.step():
        pass
    assert 1 << 20 < bench.retention.used_bytes() <= 2 << 20
    kept = bench.ids()
    assert kept == [each[0] for each in reversed(rows[-len(kept) :])]
    assert 2000 < len(kept) < 15_000


def test_a_record_completed_later_outlives_the_block_of_its_unfinished_self(tmp_path: Path) -> None:
    """The old block goes with the row that was in it; the row is in another one now."""
    bench = Bench(tmp_path / "db", retention_hours=1)
    now_ns = time.time_ns()
    half = row(now_ns, duration_ns=None, status=None, flags=["unfinished"])
    whole = row(now_ns)
    bench.inserter.write([half, row(now_ns + 1, 1)])
    bench.inserter.write([whole])
    bench.connection.execute("UPDATE block SET written_ns = written_ns - ? WHERE first = 1", (HOUR_NS,))
    while bench.retention.step(now_ns=now_ns + HOUR_NS // 2):
        pass
    assert bench.ids() == [whole[0]]
    assert exchange(bench.connection, whole[0]) == whole[17].encode()


def test_minutes_go_with_the_records_and_hours_stay(tmp_path: Path) -> None:
    """A day's records, a month's hours: whatever is old is told by longer steps."""
    bench = Bench(tmp_path / "db", retention_hours=2)
    start_ns = (time.time_ns() - HOUR_NS) // HOUR_NS * HOUR_NS
    bench.inserter.write([row(start_ns + minute * 60 * 10**9, minute) for minute in range(0, 60, 10)])
    while bench.retention.step(now_ns=start_ns + 4 * HOUR_NS):
        pass
    steps = bench.connection.execute("SELECT DISTINCT step_s, start_s FROM pack ORDER BY step_s").fetchall()
    assert steps == [(step_s, start_ns // 10**9 // step_s * step_s) for step_s in (3600, 21_600, 86_400)]
    assert bench.count("metric") == 0


def test_too_many_figures_go_before_the_records_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints are what strangers ask for: they must not be able to push the records out."""
    bench = Bench(tmp_path / "db")
    start_ns = time.time_ns()
    bench.inserter.write([row(start_ns - (n + 1) * 3 * 10**9, n, path=f"/p{n % 199}x") for n in range(4000)])
    while roll(bench.connection, time.time()):
        pass
    before = bench.count("pack WHERE step_s = 60")
    assert before > 3 * 199
    monkeypatch.setattr(retain, "FIGURES_SHARE", 16)
    most_bytes = bench.retention.used_bytes() - (100 << 10)
    bench.retention = Retention(bench.connection, dataclasses.replace(bench.options, retention_bytes=most_bytes))
    while bench.retention.step():
        pass
    assert bench.retention.used_bytes() <= most_bytes
    assert bench.count("pack WHERE step_s = 60") < before
    assert bench.count("exchange") == 4000


@pytest.mark.slow
def test_a_store_at_its_size_keeps_up_with_what_comes_in(tmp_path: Path) -> None:
    """The whole store, in steady state: bounded size, all rows taken, the newest still there."""
    options = BackendOptions(store_path=tmp_path / "db", retention_bytes=2 << 20)
    store = open_store(options)
    rows = list(traffic(60_000, time.time_ns()))
    largest = 0
    for start in range(0, len(rows), 2000):
        wait_until(lambda: store.facts().queued < 8000, "there is room", 60)
        assert store.put(rows[start : start + 2000]) == 2000
        largest = max(largest, store.facts().used_bytes)
    assert store.flush()
    assert store.facts().lost == {}
    assert largest < 4 << 20
    wait_until(lambda: store.facts().used_bytes <= 2 << 20, "the size fits")
    assert store.exchange(rows[-1][0]) is not None
    assert store.exchange(rows[0][0]) is None
    assert os.path.getsize(options.store_path) < 6 << 20
    store.close()


def test_a_file_that_has_become_too_large_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody lowers the limit: the file system gets its room back, in small steps."""
    monkeypatch.setattr(retain, "LOOSE_PAGES", 32)
    bench = Bench(tmp_path / "db", retention_bytes=1 << 20)
    bench.inserter.write(list(traffic(20_000, time.time_ns())))
    while bench.retention.step():
        pass
    before = int(bench.connection.execute("PRAGMA page_count").fetchone()[0])
    steps = 0
    while bench.retention.shrink():
        steps += 1
    after = int(bench.connection.execute("PRAGMA page_count").fetchone()[0])
    assert steps >= 1
    assert after < before // 2
    assert bench.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
