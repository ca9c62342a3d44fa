"""A search passes by zones in which nothing fits, and by no others."""

import sqlite3
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from rover.backend import BackendOptions
from rover.backend.store import Filter
from rover.backend.store.file import StoreFile
from rover.backend.store.filter import UNKNOWN
from rover.backend.store.insert import Inserter
from rover.backend.store.query import exchanges
from rover.backend.store.schema import migrations
from rover.backend.store.zones import MOST_NAMES, Zones, remove, spans
from tests.backend.rows import row, traffic
from tests.backend.test_filter import filters, rows, short_row

ALL = b"", b"\xff" * 17


@settings(deadline=None)
@given(st.lists(st.tuples(rows, st.integers(0, 100)), min_size=1, max_size=12), filters, st.integers(1, 4))
def test_what_fits_is_within_the_spans_that_are_read(told: list[Any], wanted: Filter, each: int) -> None:
    """In whatever order the rows come, and however many make a zone; spans come newest first and never twice."""
    shorts = [short_row(n, at, fields) for n, (fields, at) in enumerate(told)]
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(Database(connection))
    zones = Zones(connection)
    for first in range(0, len(shorts), each):
        zones.add(shorts[first : first + each])
        zones.forget()
    found = list(spans(connection, wanted, *ALL))
    connection.close()
    fits = wanted.predicate()
    assert all(any(start <= short[0] < stop for start, stop in found) for short in shorts if fits(short))
    assert all(newer[0] >= older[1] for newer, older in pairwise(found))


def test_what_is_in_one_zone_leads_to_that_zone_alone(tmp_path: Path) -> None:
    """A path, a method, a status, a long duration."""
    file = StoreFile(tmp_path / "db")
    connection = file.connect()
    inserter = Inserter(connection, BackendOptions(store_path=tmp_path / "db"))
    now_ns = time.time_ns()
    odd = row(now_ns, 7, path="/odd", method="BREW", status=218, duration_ns=10**12, peer_service="odd")
    for batch in ([row(now_ns - 10**9)] * 1, [odd], [row(now_ns + 10**9, 8)]):
        inserter.write(batch)
        inserter._zones.forget()
    odd_id = bytes.fromhex(odd[0])
    for wanted in (
        Filter(path="/odd"),
        Filter(method="BREW"),
        Filter(statuses=((210, 299),)),
        Filter(slower_ns=10**12),
        Filter(peer="odd"),
        Filter(service="cart", path="/odd"),
    ):
        assert list(spans(connection, wanted, *ALL)) == [(odd_id, odd_id + b"\0")], wanted
        assert len(exchanges(connection, wanted, 0, 1 << 62).records) == 1
    assert list(spans(connection, Filter(path="/od*"), *ALL)) == [ALL]
    assert list(spans(connection, Filter(service="other", path="/odd"), *ALL)) == []
    assert len(list(spans(connection, Filter(service=UNKNOWN, path="/odd"), *ALL))) == 1
    remove(connection, 3)
    assert list(spans(connection, Filter(path="/odd"), *ALL)) == []
    connection.close()
    file.unlock()


def test_names_that_a_sender_invents_say_nothing_after_a_while(tmp_path: Path) -> None:
    """A zone with very many methods may have any."""
    file = StoreFile(tmp_path / "db")
    connection = file.connect()
    inserter = Inserter(connection, BackendOptions(store_path=tmp_path / "db"))
    inserter.write([row(time.time_ns(), n, method=f"M{n}") for n in range(MOST_NAMES + 1)])
    assert len(list(spans(connection, Filter(method="GET"), *ALL))) == 1
    assert list(spans(connection, Filter(statuses=((599, 599),)), *ALL)) == []
    connection.close()
    file.unlock()


def test_a_batch_that_is_not_stored_leaves_no_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the zone that it was added to goes on without it."""
    file = StoreFile(tmp_path / "db")
    connection = file.connect()
    inserter = Inserter(connection, BackendOptions(store_path=tmp_path / "db"))
    inserter.write(list(traffic(10, time.time_ns())))
    before = connection.execute("SELECT * FROM zone").fetchall()
    with monkeypatch.context() as broken:
        broken.setattr(inserter._metrics, "add", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            inserter.write([row(time.time_ns(), 99, path="/lost")])
    assert connection.execute("SELECT * FROM zone").fetchall() == before
    inserter.write([row(time.time_ns(), 99, path="/found")])
    assert len(connection.execute("SELECT * FROM zone").fetchall()) == 2
    assert len(exchanges(connection, Filter(path="/found"), 0, 1 << 62).records) == 1
    connection.close()
    file.unlock()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(service="cart"), "exchange_service "),
        (Filter(statuses=((500, 599),)), "exchange_error"),
        (Filter(service="cart", statuses=((500, 599),)), "exchange_service_error"),
        (Filter(service="cart", statuses=((200, 599),)), "exchange_service "),
    ],
)
def test_each_filter_has_its_index(wanted: Filter, index: str) -> None:
    """The one that leads to the fewest rows."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(Database(connection))
    for terms, values in (wanted.sql(), wanted.leading_sql()):
        where = " AND ".join(["id >= ?", "id < ?", *terms])
        sql = f"EXPLAIN QUERY PLAN SELECT id FROM exchange WHERE {where} ORDER BY id DESC LIMIT 9"
        [plan] = [line[3] for line in connection.execute(sql, [*ALL, *values])]
        assert f"{index}" in plan + " ", plan
    connection.close()
