"""What the API says of services and endpoints against sums over the rows themselves."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.backend import BackendOptions, Row, Store, open_store
from rover.backend.metrics import Metrics, Span
from rover.backend.store import UNKNOWN, histogram
from rover.backend.store.file import StoreFile
from rover.backend.store.metrics import MetricBook, roll
from rover.backend.store.metrics.kinds import DAY_S, HOUR_S, MINUTE_S, Kind
from tests.backend.rows import row, traffic

MINUTE_NS = MINUTE_S * 10**9
HOUR_NS = HOUR_S * 10**9


@pytest.fixture
def start_ns() -> int:
    """A minute begins, nearly an hour ago."""
    return time.time_ns() // MINUTE_NS * MINUTE_NS - 55 * MINUTE_NS


def expected(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """What the rows say about each service."""
    found: dict[str, dict[str, Any]] = {}
    for each in rows:
        if each[4] != "server":
            continue
        sums = found.setdefault(each[7] or UNKNOWN, {"calls": 0, "failures": 0, "bytes": 0, "durations": []})
        sums["calls"] += 1
        sums["failures"] += each[13] is None or each[13] >= 500
        sums["bytes"] += (each[14] or 0) + (each[15] or 0)
        if each[2] is not None and each[13] is not None:
            sums["durations"].append(each[2])
    return found


def nearest_rank(values: list[int], share: float) -> int:
    """The percentile without any sketch."""
    return sorted(values)[max(1, -(-int(share * 100 * len(values)) // 100)) - 1]


def told(client: httpx.Client, from_ns: int, to_ns: int, path: str = "/api/services") -> dict[str, dict[str, Any]]:
    """Figures by name."""
    answer = client.get(path, params={"from": from_ns, "to": to_ns}).json()
    listed = answer.get("services") or answer.get("endpoints") or []
    return {each.get("endpoint") or each["name"]: each | {"span": answer["span"]} for each in listed}


def test_figures_are_the_sums_over_the_rows(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Over several minutes, in several batches, in any order; percentiles within 1 %."""
    rows = list(traffic(3000, start_ns, step_ns=200_000_000))
    rows += [row(start_ns + n * 10**9, 10_000 + n, status=None, duration_ns=None) for n in range(20)]
    rows += [row(start_ns + n * 10**9, 20_000 + n, service=None) for n in range(20)]
    rows += [row(start_ns + n * 10**9, 30_000 + n, side="client") for n in range(20)]
    random.Random(3).shuffle(rows)
    for start in range(0, len(rows), 700):
        put(*rows[start : start + 700])
    found = told(client, start_ns, start_ns + HOUR_NS)
    sums = expected(rows)
    assert set(found) == set(sums)
    assert UNKNOWN in sums
    for name, each in found.items():
        want = sums[name]
        watched_s = each["span"]["watched_s"]
        assert each["calls"] == sum(each["spark"]) == want["calls"]
        assert each["success_rate"] == pytest.approx(1 - want["failures"] / want["calls"])
        assert each["bytes_per_second"] == pytest.approx(want["bytes"] / watched_s, abs=0.001)
        for share in (50, 95, 99):
            exact = nearest_rank(want["durations"], share / 100)
            assert each[f"p{share}_ns"] == pytest.approx(exact, rel=histogram.RELATIVE_ERROR + 1e-9)


def test_endpoints_add_up_to_their_service(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Bar by bar."""
    rows = list(traffic(2000, start_ns, step_ns=300_000_000))
    put(*rows)
    for name, service in told(client, start_ns, start_ns + HOUR_NS).items():
        endpoints = told(client, start_ns, start_ns + HOUR_NS, f"/api/services/{name}/endpoints")
        assert len(endpoints) == 4 * 8 / 2  # GET and POST of eight paths, one of them an id
        assert [sum(bars) for bars in zip(*(each["spark"] for each in endpoints.values()), strict=True)] == (
            service["spark"]
        )


def test_only_the_minutes_asked_for_count(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """An exchange belongs to the minute in which it began."""
    put(*(row(start_ns + minute * MINUTE_NS, minute) for minute in range(10)))
    cart = told(client, start_ns + 2 * MINUTE_NS, start_ns + 5 * MINUTE_NS)["cart"]
    assert (cart["calls"], cart["spark"]) == (3, [1, 1, 1])
    assert cart["span"] == {
        "from_ns": start_ns + 2 * MINUTE_NS,
        "to_ns": start_ns + 5 * MINUTE_NS,
        "watched_s": 180,
        "bar_s": 60,
    }


def test_a_record_counts_once(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Unfinished, complete, and delivered again."""
    whole = row(start_ns)
    put(row(start_ns, duration_ns=None, status=None, flags=["unfinished"]), row(start_ns + 1, 1))
    assert told(client, start_ns, start_ns + HOUR_NS)["cart"]["calls"] == 1
    put(whole)
    put(whole, row(start_ns + 1, 1))
    cart = told(client, start_ns, start_ns + HOUR_NS)["cart"]
    assert (cart["calls"], cart["success_rate"]) == (2, 1.0)


def test_a_batch_that_cannot_be_stored_counts_nothing(
    store: Store, client: httpx.Client, put: Callable[..., None], start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures and exchanges are one transaction."""
    put(row(start_ns))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no")

    with monkeypatch.context() as patch:
        patch.setattr(MetricBook, "_store", fail)
        store.put([row(start_ns + 1, 1)])
        assert store.flush()
    put(row(start_ns + 2, 2))
    assert told(client, start_ns, start_ns + HOUR_NS)["cart"]["calls"] == 2
    assert len(client.get("/api/exchanges", params={"from": start_ns}).json()["exchanges"]) == 2


def test_figures_go_on_after_a_restart(options: BackendOptions, start_ns: int) -> None:
    """Within the same minute: what is in the file is added to, not written over."""
    rows = list(traffic(200, start_ns))
    for part in (rows[:120], rows[120:]):
        store = open_store(options)
        store.put(part)
        store.close()
    store = open_store(options)
    metrics = Metrics(store)
    found = metrics.sparked(Kind.SERVICE, metrics.span(start_ns, start_ns + HOUR_NS))
    assert {name: each.figures.calls for name, each in found.items()} == {
        name: sums["calls"] for name, sums in expected(rows).items()
    }
    store.close()


def test_a_service_that_only_calls_others_is_not_listed(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """It has no rate, success or latency of its own; the map shows it."""
    put(row(start_ns), row(start_ns, 1, service="cron", side="client"))
    assert list(told(client, start_ns, start_ns + HOUR_NS)) == ["cart"]


def test_rates_divide_by_the_time_that_was_watched(client: httpx.Client, put: Callable[..., None]) -> None:
    """In the first minutes after start the rate is not diluted by a quarter of an hour of nothing."""
    now_ns = time.time_ns()
    first_ns = now_ns // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    put(*(row(first_ns + n * 10**9, n) for n in range(100)))
    cart = told(client, now_ns - 15 * MINUTE_NS, now_ns)["cart"]
    assert cart["span"]["watched_s"] == pytest.approx((now_ns - first_ns) / 10**9, abs=10)
    assert cart["calls_per_minute"] == pytest.approx(100 * 60 / cart["span"]["watched_s"], abs=0.001)


@pytest.mark.parametrize("hours", [1, 5, 7, 20])
def test_hours_and_minutes_give_the_same_sums(
    store: Store, client: httpx.Client, put: Callable[..., None], hours: int
) -> None:
    """A long span reads hours, and minutes at its ends; nobody may notice, in the list nor in the series."""
    start_ns = time.time_ns() // HOUR_NS * HOUR_NS - 22 * HOUR_NS
    rows = list(traffic(1500, start_ns, step_ns=22 * HOUR_NS // 1500))
    put(*rows)
    metrics = Metrics(store)
    with closing(sqlite3.connect(store_path(store), isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        while roll(connection, time.time()):
            pass
        connection.execute("COMMIT")
    from_ns, to_ns = start_ns + 17 * MINUTE_NS, start_ns + hours * HOUR_NS - 23 * MINUTE_NS
    want = expected([each for each in rows if from_ns <= each[1] < to_ns])
    found = told(client, from_ns, to_ns)
    assert {name: each["calls"] for name, each in found.items()} == {name: sums["calls"] for name, sums in want.items()}
    span = metrics.span(from_ns, to_ns)
    assert span.longest_s == (MINUTE_S if hours <= 6 else HOUR_S)
    for name, each in found.items():
        series = client.get(f"/api/services/{name}/series", params={"from": from_ns, "to": to_ns}).json()
        assert series["whole"]["calls"] == each["calls"]
        assert series["calls"] == each["spark"]


def store_path(store: Store) -> str:
    """Where a store's file is."""
    return str(store.ask(lambda connection: connection.execute("PRAGMA database_list").fetchone()[2]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40 * DAY_S), st.integers(1, 10 * DAY_S))
def test_a_span_is_whole_minutes_and_its_bars_hold_it(offset_s: int, length_s: int) -> None:
    """Whatever is asked for; a young store tells minutes of all of it."""
    connection = sqlite3.connect(":memory:")
    for table in ("metric", "pack"):
        connection.execute(f"CREATE TABLE {table} (step_s, start_s)")
    connection.execute("CREATE TABLE rolled (step_s, until_s)")
    first_s = int(time.time()) - 50 * DAY_S + offset_s
    span = Span.of(connection, first_s * 10**9, (first_s + length_s) * 10**9)
    assert span.first_s <= first_s < span.first_s + MINUTE_S
    assert span.end_s - MINUTE_S < first_s + length_s <= span.end_s
    assert (span.steps[0] * span.bar_s <= span.first_s, span.bar_s % span.longest_s) == (True, 0)
    assert span.bars <= 62


def test_where_minutes_are_gone_a_span_is_whole_hours(tmp_path: Any) -> None:
    """And whole days where hours are; a bar is never narrower than what is known."""
    file = StoreFile(tmp_path / "rover.db")
    connection = file.connect()
    day_s = int(time.time()) // DAY_S * DAY_S - 60 * DAY_S
    steps = [(DAY_S, day_s), (HOUR_S, day_s + 30 * DAY_S), (MINUTE_S, day_s + 59 * DAY_S + 1800)]
    connection.executemany("INSERT INTO pack VALUES (?, ?, 1, 1, x'')", steps)
    for at_s, step_s in ((60, DAY_S), (40 * DAY_S + 60, HOUR_S), (59 * DAY_S + 3600 + 60, MINUTE_S)):
        span = Span.of(connection, (day_s + at_s) * 10**9, (day_s + at_s + 60) * 10**9)
        assert (span.first_s, span.end_s, span.bar_s) == (
            (day_s + at_s) // step_s * step_s,
            (day_s + at_s) // step_s * step_s + step_s,
            step_s,
        )
    assert Span.of(connection, (day_s - DAY_S) * 10**9, (day_s + DAY_S) * 10**9).watched_s == DAY_S
    connection.close()
    file.unlock()
