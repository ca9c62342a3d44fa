"""Of too many exchanges a sample is stored; what failed, is slow or rare is all there, and metrics are exact."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from rover.backend import Backend, BackendOptions, Row, Store, open_store
from rover.backend.metrics import Entity, Metrics
from rover.backend.store.filter import Filter
from rover.backend.store.metrics import MetricBook
from tests.backend.rows import record, row_of

RATE = 500


@pytest.fixture
def options(tmp_path: Path) -> BackendOptions:
    return BackendOptions(
        tmp_path / "rover.db", exchanges_per_second=RATE, retention_bytes=4 << 30, http_address="127.0.0.1:0"
    )


def kind_of(number: int) -> str:
    """What the exchange of this number is; the first thousand teach what is usual."""
    if number < 1000:
        return "ordinary"
    return {7: "failed", 77: "unanswered", 177: "slow", 277: "grpc"}.get(
        number % 500, "rare" if number % 9973 == 0 else "ordinary"
    )


def exchange(number: int, base_ns: int) -> Row:
    fields: dict[str, Any] = {"duration_ns": 1_000_000 + number % 89 * 1000}
    match kind_of(number):
        case "failed":
            fields["status"] = 503
        case "unanswered":
            fields |= {"status": None, "flags": ["no_response"]}
        case "slow":
            fields["duration_ns"] = 80_000_000
        case "grpc":
            fields |= {"kind": "grpc", "grpc": {"service": "a.B", "method": "C", "status": 14}}
        case "rare":
            fields["path"] = "/seldom"
    return row_of(record(base_ns + number * 1000, number, **fields))


def send(store: Store, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), 4096):
        assert store.put(rows[start : start + 4096]) == len(rows[start : start + 4096])
        assert store.flush(30)


def stored(store: Store) -> set[str]:
    found = store.ask(lambda connection: connection.execute("SELECT lower(hex(id)) FROM exchange").fetchall())
    return {row_id for (row_id,) in found}


def minute_ns() -> int:
    """Start of a minute that is over."""
    return (int(time.time()) // 60 - 2) * 60 * 10**9


def calls(store: Store, base_ns: int) -> tuple[int, int, int]:
    """Calls, successes and calls with a time of the service, as metrics know them."""
    first = base_ns // 10**9
    history = Metrics(store).history(Entity("cart"), first, first + 180, 60)
    found = [figures for _, figures, *_ in history if figures]
    return tuple(sum(one[name] for one in found) for name in ("http_calls", "http_successes", "http_ns_of"))  # type: ignore[return-value]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_what_matters_is_all_there_and_metrics_are_exact(options: BackendOptions, count: int) -> None:
    """At some thousand a second, with 500 configured; what is sent again counts once, also after a restart."""
    base_ns = minute_ns()
    rows = [exchange(number, base_ns) for number in range(count)]
    kinds = Counter(kind_of(number) for number in range(count))
    store = open_store(options)
    send(store, rows)
    ids = stored(store)
    for number, row in enumerate(rows):
        assert kind_of(number) == "ordinary" or row[0] in ids, (number, kind_of(number))
    assert len(ids) < count / 2
    expected = (count, count - kinds["failed"] - kinds["unanswered"], count - kinds["unanswered"])
    assert calls(store, base_ns) == expected
    facts = store.facts()
    assert facts.left_out == {"above_rate": count - len(ids)}
    assert sum(facts.kept.values()) == facts.stored == len(ids)
    assert facts.kept["failed"] == kinds["failed"] + kinds["unanswered"] + kinds["grpc"]
    assert facts.kept["slow"] >= kinds["slow"]
    send(store, rows[-8192:])
    store.close()
    store = open_store(options)
    send(store, rows[-8192:])
    assert (stored(store), calls(store, base_ns)) == (ids, expected)
    store.close()


def test_the_list_and_the_node_say_what_was_left_out(options: BackendOptions) -> None:
    """One in N, of the time range that is asked for; null where all are stored."""
    base_ns = minute_ns()
    store = open_store(options)
    backend = Backend(options, store, dict)
    url = backend.start()
    send(store, [exchange(number, base_ns) for number in range(8000)])
    with httpx.Client(base_url=url) as client:
        one_in = client.get("/api/exchanges", params=_times(base_ns, 60)).json()["sampled_one_in"]
        before = client.get("/api/exchanges", params=_times(base_ns - 3600 * 10**9, 60)).json()
        node = client.get("/api/node").json()["store"]
        told = client.get("/metrics").text
    backend.stop()
    assert one_in > 2
    assert before["sampled_one_in"] is None
    assert node["left_out"]["above_rate"] + node["stored"] == 8000
    assert node["kept"]["failed"] > 0
    for cause, count in node["left_out"].items():
        assert f'rover_store_left_out_records_total{{cause="{cause}"}} {float(count)}\n' in told
    for reason, count in node["kept"].items():
        assert f'rover_store_kept_records_total{{reason="{reason}"}} {float(count)}\n' in told


def _times(from_ns: int, seconds: int) -> dict[str, str]:
    text = [
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (from_ns // 10**9, from_ns // 10**9 + seconds)
    ]
    return {"from": text[0], "to": text[1]}


def test_an_unfinished_exchange_is_completed_whatever_the_rate(options: BackendOptions) -> None:
    """It was stored as failed; what completes it replaces it, although it is ordinary itself."""
    base_ns = minute_ns()
    store = open_store(options)
    send(store, [exchange(number, base_ns) for number in range(4000)])
    pending = [record(base_ns + 10**9 + n, n, status=None, flags=["unfinished"]) for n in range(50)]
    send(store, [row_of(one) for one in pending])
    done = [row_of(record(base_ns + 10**9 + n, n)) for n in range(50)]
    send(store, [*done, *(exchange(number, base_ns) for number in range(5000, 9000))])
    page = store.exchanges(Filter(), base_ns + 10**9, base_ns + 2 * 10**9)
    assert len(page.records) == 50
    assert not any(b'"unfinished"' in one for one in page.records)
    store.close()


def test_a_batch_that_is_not_stored_is_not_counted(options: BackendOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would have left out is new when it comes again."""
    base_ns = minute_ns()
    store = open_store(options)
    rows = [exchange(number, base_ns) for number in range(8000)]
    send(store, rows[:4096])
    with monkeypatch.context() as broken:

        def fail(*_: object) -> Iterator[None]:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(MetricBook, "add", fail)
        send(store, rows[4096:])
    assert store.facts().lost == {"error": 8000 - 4096}
    send(store, rows[4096:])
    assert calls(store, base_ns)[0] == 8000
    store.close()
