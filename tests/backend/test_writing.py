"""Rows in, records out: what was put is what is read."""

import os
import random
import sqlite3
import stat
import threading
from collections.abc import Callable

import pytest

from rover.backend import BackendOptions, Store, open_store
from rover.backend.store import Filter, writer
from rover.backend.store.blocks import BYTES, ROWS, split
from rover.backend.store.query import exchanges
from tests.backend.conftest import records
from tests.backend.rows import record_id, row, traffic
from tests.stage.deadline import wait_until

START_NS = 1_800_000_000_000_000_000
ALWAYS = (0, 2**63 - 1)


def stored_ids(store: Store) -> list[str]:
    """All ids, newest first."""
    found: list[str] = []
    before = None
    while True:
        page = store.exchanges(Filter(), *ALWAYS, before=before, limit=500)
        found += [record[7:39].decode() for record in page.records]
        if page.next is None:
            return found
        before = page.next


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 1000, 5000])
def test_records_come_back_as_they_were_given(store: Store, put: Callable[..., None], count: int) -> None:
    """At every number of rows around the sizes of blocks, statements and batches."""
    rows = list(traffic(count, START_NS))
    put(*rows)
    assert stored_ids(store) == [row[0] for row in reversed(rows)]
    for chosen in {0, count // 2, count - 1}:
        assert store.exchange(rows[chosen][0]) == rows[chosen][17].encode()
    assert store.facts().stored == count
    assert store.facts().lost == {}


def test_order_is_that_of_time_not_of_arrival(store: Store, put: Callable[..., None]) -> None:
    """A record comes when its exchange ends; the list is by when it began."""
    rows = list(traffic(300, START_NS))
    shuffled = random.Random(5).sample(rows, len(rows))
    put(*shuffled[:100])
    put(*shuffled[100:])
    assert stored_ids(store) == [row[0] for row in reversed(rows)]


def test_an_unfinished_record_is_completed_under_its_id(store: Store, put: Callable[..., None]) -> None:
    """The record contract: a long stream may be reported unfinished, and again when it ends."""
    half = row(START_NS, duration_ns=None, status=None, flags=["unfinished"])
    whole = row(START_NS, duration_ns=90 * 10**9, status=200)
    others = list(traffic(100, START_NS + 1))
    put(half, *others[:50])
    assert store.exchange(half[0]) == half[17].encode()
    put(*others[50:], whole)
    assert store.exchange(half[0]) == whole[17].encode()
    assert len(stored_ids(store)) == 101
    assert store.exchanges(
        Filter(statuses=((200, 200),), path="/api/items", slower_ns=60 * 10**9), *ALWAYS
    ).records == [whole[17].encode()]


def test_an_unfinished_record_completed_within_one_batch_is_stored_once(store: Store, put: Callable[..., None]) -> None:
    """Both rows may wait in the queue together; then the later word counts."""
    half, whole = row(START_NS, status=None, flags=["unfinished"]), row(START_NS, status=204)
    put(half, *traffic(10, START_NS + 1), whole)
    assert store.exchange(whole[0]) == whole[17].encode()
    assert len(stored_ids(store)) == 11


def test_a_finished_record_that_comes_again_is_not_stored_again(store: Store, put: Callable[..., None]) -> None:
    """Delivery is at least once: a repeated row changes nothing, and takes no other row with it."""
    rows = list(traffic(20, START_NS))
    put(*rows)
    put(row(START_NS, 0, status=500), row(START_NS + 10**9, 99))
    assert store.exchange(rows[0][0]) == rows[0][17].encode()
    assert len(stored_ids(store)) == 21


def test_a_finished_record_is_not_undone_by_a_late_unfinished_one(store: Store, put: Callable[..., None]) -> None:
    """Nor in the same batch."""
    half, whole = row(START_NS, status=None, flags=["unfinished"]), row(START_NS, status=204)
    put(whole, half)
    put(half)
    assert store.exchange(whole[0]) == whole[17].encode()


def test_hostile_text_is_data(store: Store, put: Callable[..., None]) -> None:
    """What a client sends comes back unchanged, and filters on it find it."""
    paths = ["/\0/x", "/'; DROP TABLE exchange; --", "/\u2028<script>alert(1)</script>", "/" + "é" * 5000, "/\x1b[2J"]
    rows = [row(START_NS + n, n, path=path, method="G\0T", service="x" * 1000) for n, path in enumerate(paths)]
    put(*rows)
    assert [record["path"] for record in records(rows)] == paths
    for stored in rows:
        assert store.exchange(stored[0]) == stored[17].encode()
    assert len(store.exchanges(Filter(path="/*DROP TABLE*"), *ALWAYS).records) == 1
    assert len(store.exchanges(Filter(service="x" * 256), *ALWAYS).records) == len(paths)


def test_rows_that_break_the_contract_are_counted_and_do_not_take_others_with_them(
    store: Store, put: Callable[..., None]
) -> None:
    """A defect elsewhere must not cost the records around it."""
    good = list(traffic(5, START_NS))
    broken = row(START_NS)
    put(
        good[0],
        ("not hex", *broken[1:]),
        good[1],
        ("00" * 15, *broken[1:]),
        (broken[0], -1, *broken[2:]),
        (*broken[:17], "two\nlines"),
        (*broken[:17], "x" * (5 << 20)),
        broken[:17],  # type: ignore[arg-type]
        *good[2:],
    )
    assert stored_ids(store) == [row[0] for row in reversed(good)]
    assert store.facts().lost == {"malformed": 6}


def test_a_block_is_bounded_in_bytes_too() -> None:
    """64 records of 100 KB in one block would make each of them expensive to read."""
    rows = [row(START_NS, n, path="/" + "x" * 100_000) for n in range(70)] + [
        row(START_NS, 71, path="/" + "x" * (2 << 20))
    ]
    parts = list(split(rows))
    assert [item for part in parts for item in part] == rows
    assert all(len(part) <= ROWS for part in parts)
    assert all(len(part) == 1 or sum(len(item[17]) for item in part) <= BYTES for part in parts)


def test_records_survive_a_restart(options: BackendOptions) -> None:
    """And the numbers of the blocks go on, so that no record is found under another's number."""
    first, second = list(traffic(100, START_NS)), list(traffic(100, START_NS + 10**12, seed=2))
    for rows in (first, second):
        store = open_store(options)
        store.put(rows)
        store.close()
    store = open_store(options)
    assert stored_ids(store) == [row[0] for row in reversed(first + second)]
    assert store.exchange(second[7][0]) == second[7][17].encode()
    store.close()


def test_close_writes_what_is_queued(options: BackendOptions) -> None:
    """Nothing that `put` has taken is lost by a regular end."""
    store = open_store(options)
    rows = list(traffic(9000, START_NS))
    assert store.put(rows) == 9000
    store.close()
    store = open_store(options)
    assert len(stored_ids(store)) == 9000
    store.close()


def test_a_full_queue_takes_what_it_can_and_counts_the_rest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the loss is told. The writer is held up by a lock on the file, as a slow disk would."""
    monkeypatch.setattr(writer, "QUEUE_ROWS", 500)
    monkeypatch.setattr(writer, "ROOM_S", 0.05)
    blocker = sqlite3.connect(store._file.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    rows = list(traffic(6000, START_NS))
    taken = store.put(rows)
    assert 500 <= taken < 6000
    blocker.execute("ROLLBACK")
    blocker.close()
    assert store.flush()
    assert store.facts().lost == {"queue_full": 6000 - taken}
    assert len(stored_ids(store)) == taken


def test_several_threads_may_put(store: Store) -> None:
    """One pump per source: the engine, the gRPC server."""
    parts = [list(traffic(500, START_NS + n * 10**12, seed=n)) for n in range(4)]
    threads = [threading.Thread(target=store.put, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.flush()
    assert len(stored_ids(store)) == 2000


def test_listeners_get_what_can_be_read_already(store: Store) -> None:
    """The live tail shows an exchange; opening it must find it."""
    seen: list[bool] = []
    store.listen(lambda stored: seen.extend(store.exchange(row[0]) is not None for _, row in stored))
    store.put(list(traffic(50, START_NS)))
    wait_until(lambda: len(seen) == 50, "the listener is told")
    assert all(seen)


def test_the_file_is_for_its_owner_only(options: BackendOptions, store: Store, put: Callable[..., None]) -> None:
    """It has in it what was requested."""
    put(row(START_NS))
    modes = {stat.S_IMODE(os.stat(file).st_mode) for file in options.store_path.parent.iterdir()}
    assert modes == {0o600}


def test_people_can_read_the_file_with_sqlite(options: BackendOptions, store: Store, put: Callable[..., None]) -> None:
    """The view `readable`, while the store is in use."""
    put(row(START_NS, 3, status=404, duration_ns=1_500_000))
    reader = sqlite3.connect(options.store_path)
    found = reader.execute("SELECT id, service, method, path, status, duration_ms FROM readable").fetchall()
    reader.close()
    assert found == [(record_id(START_NS, 3), "cart", "GET", "/api/items", 404, 1.5)]


def test_a_page_is_one_view_of_the_data(store: Store, put: Callable[..., None]) -> None:
    """What is removed or replaced between finding ids and reading records is still read."""
    rows = list(traffic(200, START_NS))
    put(*rows)
    with store._readers.snapshot() as connection:
        connection.execute("SELECT count(*) FROM exchange").fetchone()
        put(*traffic(200, START_NS + 10**12))
        assert len(exchanges(connection, Filter(), *ALWAYS, limit=500).records) == 200
