"""Sums per minute and hour against sums over the rows themselves."""

import math
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.backend import BackendOptions, Row, Store, open_store
from rover.backend.store import OTHER, UNKNOWN, figures
from rover.backend.store.query import BY_MINUTE_S, HOUR_S, MINUTE_S, Span
from tests.backend.rows import row, traffic

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
START_NS = 4_000_000_000_000_000_000 // HOUR_NS * HOUR_NS
"""In the future: figures of the past would be too old to keep."""


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
        if each[2] is not None:
            sums["durations"].append(each[2])
    return found


def told(store: Store, from_ns: int, to_ns: int) -> dict[str, dict[str, Any]]:
    """What the store says, in the same form."""
    found, _, _ = store.services(from_ns, to_ns)
    return {
        name: {
            "calls": summary.figures.calls,
            "failures": summary.figures.failures,
            "bytes": summary.figures.bytes,
            "durations": sum(summary.figures.durations.values()),
        }
        for name, summary in found.items()
    }


def test_figures_are_the_sums_over_the_rows(store: Store, put: Callable[..., None]) -> None:
    """Over several minutes, in several batches, in any order."""
    rows = list(traffic(3000, START_NS, step_ns=200_000_000))
    rows += [row(START_NS + n * 10**9, 10_000 + n, status=None, duration_ns=None) for n in range(20)]
    rows += [row(START_NS + n * 10**9, 20_000 + n, service=None) for n in range(20)]
    rows += [row(START_NS + n * 10**9, 30_000 + n, side="client") for n in range(20)]
    random.Random(3).shuffle(rows)
    for start in range(0, len(rows), 700):
        put(*rows[start : start + 700])
    sums = {name: sums | {"durations": len(sums["durations"])} for name, sums in expected(rows).items()}
    assert told(store, START_NS, START_NS + HOUR_NS) == sums
    assert UNKNOWN in sums


def test_endpoints_add_up_to_their_service(store: Store, put: Callable[..., None]) -> None:
    """Method and path as sent, spark lines included."""
    rows = list(traffic(2000, START_NS, step_ns=300_000_000))
    put(*rows)
    services, span, _ = store.services(START_NS, START_NS + HOUR_NS)
    for name, service in services.items():
        endpoints, _, _ = store.endpoints(name, START_NS, START_NS + HOUR_NS)
        assert set(endpoints) == {(each[10], each[12]) for each in rows if each[7] == name}
        assert sum(endpoint.figures.calls for endpoint in endpoints.values()) == service.figures.calls
        assert [sum(bars) for bars in zip(*(each.spark for each in endpoints.values()), strict=True)] == service.spark
        assert len(service.spark) == span.bars
        assert sum(service.spark) == service.figures.calls


def test_only_the_minutes_asked_for_count(store: Store, put: Callable[..., None]) -> None:
    """An exchange belongs to the minute in which it began."""
    put(*(row(START_NS + minute * 60 * 10**9, minute) for minute in range(10)))
    found, span, _ = store.services(START_NS + 2 * 60 * 10**9, START_NS + 5 * 60 * 10**9)
    assert found["cart"].figures.calls == 3
    assert found["cart"].spark == [1, 1, 1]
    assert (span.end_s - span.first_s, span.bar_s) == (180, 60)


def test_an_unfinished_record_counts_once_when_it_is_complete(store: Store, put: Callable[..., None]) -> None:
    """Otherwise every long stream would count twice, or as a failure."""
    half = row(START_NS, duration_ns=None, status=None, flags=["unfinished"])
    put(half, row(START_NS + 1, 1))
    assert told(store, START_NS, START_NS + HOUR_NS)["cart"]["calls"] == 1
    put(row(START_NS, status=200))
    sums = told(store, START_NS, START_NS + HOUR_NS)["cart"]
    assert (sums["calls"], sums["failures"]) == (2, 0)


def test_a_batch_that_could_not_be_stored_is_not_in_the_figures(
    store: Store, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held in memory goes back with the transaction: figures and exchanges never disagree."""
    put(*traffic(50, START_NS))
    before = told(store, START_NS, START_NS + HOUR_NS)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(figures.FigureBook, "_store", fail)
        put(*traffic(50, START_NS + 10**9, seed=2))
    assert store.facts().lost == {"error": 50}
    put(row(START_NS + 2 * 10**9, 999, service="cart"))
    after = told(store, START_NS, START_NS + HOUR_NS)
    assert after.pop("cart")["calls"] == before.pop("cart")["calls"] + 1
    assert after == before


def test_a_repeated_record_does_not_count_again(store: Store, put: Callable[..., None]) -> None:
    """Delivery is at least once."""
    rows = list(traffic(100, START_NS))
    put(*rows)
    before = told(store, START_NS, START_NS + HOUR_NS)
    put(*rows[:40])
    assert told(store, START_NS, START_NS + HOUR_NS) == before


def test_figures_go_on_after_a_restart(options: BackendOptions) -> None:
    """Within the same minute: what is in the file is added to, not written over."""
    rows = list(traffic(200, START_NS))
    for part in (rows[:120], rows[120:]):
        store = open_store(options)
        store.put(part)
        store.close()
    store = open_store(options)
    sums = {name: sums | {"durations": len(sums["durations"])} for name, sums in expected(rows).items()}
    assert told(store, START_NS, START_NS + HOUR_NS) == sums
    store.close()


def test_more_figures_than_memory_holds_are_still_right(
    store: Store, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was released is read again."""
    monkeypatch.setattr(figures, "HELD", 3)
    rows = list(traffic(500, START_NS, step_ns=10**9))
    for start in range(0, len(rows), 50):
        put(*rows[start : start + 50])
    sums = {name: sums | {"durations": len(sums["durations"])} for name, sums in expected(rows).items()}
    assert told(store, START_NS, START_NS + HOUR_NS) == sums


def test_endpoints_are_bounded_and_none_of_their_calls_is_lost(store: Store, put: Callable[..., None]) -> None:
    """A scanner asks for a thousand paths: the first ones are kept apart, the rest are counted together."""
    rows = [row(START_NS + n, n, path=f"/{n}") for n in range(1000)]
    put(*rows[:300])
    put(*rows[300:])
    put(*(row(START_NS + n, n + 5000, path="/7") for n in range(10)))
    found, _, _ = store.endpoints("cart", START_NS, START_NS + HOUR_NS)
    assert len(found) == figures.ENDPOINTS + 1
    assert found["GET", "/7"].figures.calls == 11
    assert found["", OTHER].figures.calls == 1000 - figures.ENDPOINTS
    assert told(store, START_NS, START_NS + HOUR_NS)["cart"]["calls"] == 1010


def test_the_bound_begins_anew_each_hour_and_holds_over_a_restart(options: BackendOptions) -> None:
    """Paths of an hour ago must not keep those of now out; a restart must not open the gate again."""
    store = open_store(options)
    store.put([row(START_NS + n, n, path=f"/{n}") for n in range(figures.ENDPOINTS)])
    store.close()
    store = open_store(options)
    store.put([row(START_NS + 10**9, 1000, path="/late"), row(START_NS + HOUR_NS, 1001, path="/next-hour")])
    assert store.flush()
    found, _, _ = store.endpoints("cart", START_NS, START_NS + 2 * HOUR_NS)
    assert ("GET", "/late") not in found
    assert ("GET", "/next-hour") in found
    store.close()


def test_services_are_bounded(store: Store, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from processes, and anyone may name a process."""
    monkeypatch.setattr(figures, "SERVICES", 5)
    put(*(row(START_NS + n, n, service=f"s{n}") for n in range(50)))
    found = told(store, START_NS, START_NS + HOUR_NS)
    assert sorted(found) == [OTHER, "s0", "s1", "s2", "s3", "s4"]
    assert found[OTHER]["calls"] == 45


def test_a_very_long_path_has_no_figures_of_its_own(store: Store, put: Callable[..., None]) -> None:
    """It would be stored again for every minute."""
    put(row(START_NS, path="/" + "x" * 300))
    found, _, _ = store.endpoints("cart", START_NS, START_NS + HOUR_NS)
    assert list(found) == [("", OTHER)]


@given(st.integers(0, 40 * 86400), st.integers(1, 10 * 86400))
def test_pieces_of_a_span_cover_it_without_overlap(offset_s: int, length_s: int) -> None:
    """Hours in the middle, minutes at the ends; every bar is inside the spark line."""
    first_ns = START_NS + offset_s * 10**9
    span = Span.of(first_ns, first_ns + length_s * 10**9)
    position = span.first_s
    for step_s, from_s, end_s in span.pieces():
        assert from_s == position
        assert end_s > from_s
        assert from_s % step_s == end_s % step_s == 0
        assert step_s <= span.bar_s
        position = end_s
    assert position == span.end_s
    assert span.first_s <= first_ns // 10**9 < span.first_s + MINUTE_S
    assert span.end_s - MINUTE_S < first_ns // 10**9 + length_s + 1
    assert span.bar(span.first_s) == 0
    assert span.bars <= 62


@pytest.mark.parametrize("hours", [1, 5, 7, 30])
def test_hours_and_minutes_give_the_same_sums(store: Store, put: Callable[..., None], hours: int) -> None:
    """A long span reads hours; nobody may notice."""
    rows = list(traffic(3000, START_NS, step_ns=30 * HOUR_NS // 3000))
    put(*rows)
    from_ns, to_ns = START_NS + 17 * 60 * 10**9, START_NS + hours * HOUR_NS - 23 * 60 * 10**9
    within = [each for each in rows if from_ns <= each[1] < to_ns]
    sums = {name: sums | {"durations": len(sums["durations"])} for name, sums in expected(within).items()}
    assert told(store, from_ns, to_ns) == sums
    steps = {step_s for step_s, _, _ in Span.of(from_ns, to_ns).pieces()}
    assert steps == ({MINUTE_S} if hours * HOUR_S <= BY_MINUTE_S else {MINUTE_S, HOUR_S})


def test_rates_divide_by_the_time_that_was_watched(store: Store, put: Callable[..., None]) -> None:
    """In the first minutes after start the rate is not diluted by a quarter of an hour of nothing."""
    now_ns = time.time_ns()
    first_ns = now_ns // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    put(*(row(first_ns + n * 10**9, n) for n in range(100)))
    _, _, watched_s = store.services(now_ns - 15 * MINUTE_NS, now_ns)
    assert math.isclose(watched_s, (now_ns - first_ns) / 10**9, abs_tol=10)
