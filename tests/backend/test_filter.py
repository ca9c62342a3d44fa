"""One filter, two forms: SQL for what is stored, a predicate for the live tail. They must mean the same."""

import sqlite3
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlite_utils import Database

from rover.backend.store import UNKNOWN, Filter
from rover.backend.store.schema import migrations
from rover.backend.store.short import shorten
from tests.backend.rows import record, row, row_of

START_NS = 1_800_000_000_000_000_000

path_text = st.text("/ab[]*?.%_\\'\"\0é\n-^!", max_size=12)
name_text = st.sampled_from(["cart", "Cart", "", "a b", "'; DROP TABLE exchange; --", "é", UNKNOWN])
rows = st.fixed_dictionaries(
    {
        "service": st.none() | name_text.filter(lambda name: name != UNKNOWN),
        "method": st.none() | st.sampled_from(["GET", "get", "PROPFIND", "%"]),
        "path": st.none() | path_text,
        "status": st.none() | st.sampled_from([100, 200, 204, 399, 400, 404, 499, 500, 599]),
        "duration_ns": st.none() | st.integers(0, 2**63 - 1),
        "side": st.sampled_from(["server", "client"]),
        "peer_service": st.none() | name_text.filter(lambda name: name not in (UNKNOWN, "")),
        "remote_address": st.none() | st.sampled_from(["10.0.0.1", "cart", "fd00::1"]),
    }
)
filters = st.builds(
    Filter,
    service=st.none() | name_text,
    method=st.none() | st.sampled_from(["GET", "get", "POST"]),
    path=st.none() | path_text.map(lambda text: text.replace("\0", "\N{REPLACEMENT CHARACTER}")),
    statuses=st.lists(st.sampled_from([(200, 200), (400, 499), (500, 599), (404, 404)]), max_size=3).map(tuple),
    slower_ns=st.none() | st.integers(0, 2**63 - 1),
    side=st.none() | st.sampled_from(["server", "client"]),
    peer=st.none() | name_text | st.sampled_from(["10.0.0.1", "fd00::1"]),
)


def short_row(number: int, after_ns: int, fields: dict[str, Any]) -> Any:
    """The short row of an exchange with these fields; of its peer's end `remote_address`."""
    item = record(START_NS + after_ns, number, **{n: each for n, each in fields.items() if n != "remote_address"})
    if "remote_address" in fields:
        item["remote"]["address"] = fields["remote_address"]
    return shorten(row_of(item), number)


def found_by_sql(shorts: list[Any], wanted: Filter) -> list[Any]:
    """Rows that SQLite finds, through the real schema and its indexes."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(Database(connection))
    connection.executemany(f"INSERT INTO exchange VALUES ({', '.join('?' * 11)})", shorts)
    terms, values = wanted.sql()
    found = connection.execute(
        f"SELECT * FROM exchange WHERE {' AND '.join(['1', *terms])} ORDER BY id", values
    ).fetchall()
    connection.close()
    return found


@given(st.lists(rows, min_size=1, max_size=8), filters)
@example([{"path": "/a[b]/c"}], Filter(path="/a[b]*"))
@example([{"path": "/a\0b"}], Filter(path="/a*b"))
@example([{"path": "/a\nb"}], Filter(path="/*b"))
@example([{"path": "*"}, {"path": "/"}], Filter(path="?"))
@example([{"service": None}, {"service": "cart"}], Filter(service=UNKNOWN))
@example([{"peer_service": None, "remote_address": "10.0.0.1"}, {"peer_service": "cart"}], Filter(peer="10.0.0.1"))
@example([{"peer_service": None, "remote_address": None}, {"peer_service": None}], Filter(peer=UNKNOWN))
@example([{"status": None}, {"status": 500}], Filter(statuses=((500, 599),)))
def test_sql_and_predicate_agree(fields: list[dict[str, Any]], wanted: Filter) -> None:
    """For any rows and any filter."""
    shorts = [short_row(n, n, each) for n, each in enumerate(fields)]
    matches = wanted.predicate()
    assert found_by_sql(shorts, wanted) == [short for short in shorts if matches(short)]


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/api/*", "/api/items/7", True),
        ("/api/*", "/apiitems", False),
        ("/api/items/?", "/api/items/7", True),
        ("/api/items/?", "/api/items/", False),
        ("*.js", "/static/app.js", True),
        ("/a[0-9]*", "/a5x", False),
        ("/a[0-9]*", "/a[0-9]x", True),
        ("/API/*", "/api/items", False),
        ("/api/items", "/api/items", True),
        ("/api/item", "/api/items", False),
    ],
)
def test_a_path_is_exact_or_a_pattern_of_stars_and_question_marks(pattern: str, path: str, is_match: bool) -> None:
    """Brackets are brackets: they occur in paths, classes of characters hardly ever in a search."""
    assert Filter(path=pattern).predicate()(shorten(row(START_NS, path=path), 1)) is is_match


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """A backtracking matcher would need longer than the universe for this one."""
    short = shorten(row(START_NS, path="/" + "a" * 2000), 1)
    wanted = Filter(path="*" + "a*" * 60 + "b")
    assert not wanted.predicate()(short)
    assert found_by_sql([short], wanted) == []
