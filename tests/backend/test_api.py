"""The API as a client sees it: real server, real HTTP."""

import json
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from rover.backend import Row, Store
from rover.backend.api.record import Record
from rover.backend.api.shapes import Endpoints, Exchanges, Node, Services
from rover.backend.store import query, readers
from tests.backend.conftest import FACTS, records
from tests.backend.rows import record, record_id, rfc3339, row, row_of, traffic

MINUTE_NS = 60 * 10**9


@pytest.fixture
def start_ns() -> int:
    """Ten minutes ago, at the start of a minute: within the default span."""
    return time.time_ns() // MINUTE_NS * MINUTE_NS - 10 * MINUTE_NS


def ids(answer: httpx.Response) -> list[str]:
    """Ids of the exchanges in an answer."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["exchanges"]]


def matching(rows: list[Row], condition: Callable[[dict[str, Any]], bool]) -> list[str]:
    """Ids of the records for which the condition holds, newest first."""
    return [item["id"] for item in reversed(records(rows)) if condition(item)]


def test_exchanges_come_newest_first_and_whole(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Each record is the JSON that was handed over, member by member."""
    rows = list(traffic(150, start_ns))
    put(*rows)
    answer = client.get("/api/exchanges")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["exchanges"] == list(reversed(records(rows)))[:100]
    assert body["next"] == body["exchanges"][-1]["id"]


def service(item: dict[str, Any]) -> Any:
    """Service of the observed process."""
    return item["local"]["identity"]["service"]


CONDITIONS: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    ("service=cart", lambda item: service(item) == "cart"),
    ("method=POST", lambda item: item["method"] == "POST"),
    ("path=/login", lambda item: item["path"] == "/login"),
    ("path=/api/*", lambda item: item["path"].startswith("/api/")),
    ("path=*items*", lambda item: "items" in item["path"]),
    ("status=404", lambda item: item["status"] == 404),
    ("status=5xx", lambda item: item["status"] >= 500),
    ("status=404,5xx", lambda item: item["status"] == 404 or item["status"] >= 500),
    ("status=2xx", lambda item: item["status"] < 300),
    ("slower=2ms", lambda item: item["duration_ns"] >= 2_000_000),
    ("slower=1.5ms", lambda item: item["duration_ns"] >= 1_500_000),
    ("slower=900us", lambda item: item["duration_ns"] >= 900_000),
    ("side=server", lambda item: True),
    ("side=client", lambda item: False),
    (
        "service=cart&status=5xx&method=GET&slower=100us&path=/*&side=server",
        lambda item: service(item) == "cart" and item["status"] >= 500 and item["method"] == "GET",
    ),
    ("service=%27%3B+DROP+TABLE+exchange%3B--", lambda item: False),
]


@pytest.mark.parametrize(("query", "condition"), CONDITIONS, ids=[query for query, _ in CONDITIONS])
def test_filters_find_what_they_say(
    client: httpx.Client,
    put: Callable[..., None],
    start_ns: int,
    query: str,
    condition: Callable[[dict[str, Any]], bool],
) -> None:
    """Each alone and together, against the records themselves."""
    rows = list(traffic(2000, start_ns))
    put(*rows)
    assert ids(client.get(f"/api/exchanges?limit=500&{query}")) == matching(rows, condition)[:500]


def test_pages_join_without_a_hole_or_a_double(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Backwards with `before`; the last page says that it is the last."""
    rows = list(traffic(250, start_ns))
    put(*rows)
    found: list[str] = []
    position = ""
    while True:
        body = client.get(f"/api/exchanges?limit=100{position}").json()
        found += [item["id"] for item in body["exchanges"]]
        if body["next"] is None:
            break
        position = f"&before={body['next']}"
    assert found == [each[0] for each in reversed(rows)]


def test_pages_forward_follow_the_id_directly(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """With `after` nothing is skipped either, and each page is still newest first."""
    rows = list(traffic(250, start_ns))
    put(*rows)
    found: list[str] = []
    body = {"next": rows[0][0]}
    while body["next"] is not None:
        body = client.get(f"/api/exchanges?limit=70&after={body['next']}").json()
        page = [item["id"] for item in body["exchanges"]]
        assert page == sorted(page, reverse=True)
        found += reversed(page)
    assert found == [each[0] for each in rows[1:]]


def test_a_span_is_given_as_rfc3339_or_nanoseconds(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """The start belongs to it, the end does not; zones and fractions count."""
    rows = [row(start_ns + second * 10**9, second) for second in range(10)]
    put(*rows)
    expected = [each[0] for each in rows[7:3:-1]]
    from_ns, to_ns = start_ns + 4 * 10**9, start_ns + 8 * 10**9
    zoned = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(to_ns // 10**9 + 7200)) + "+02:00"
    for from_, to in [(from_ns, to_ns), (rfc3339(from_ns), rfc3339(to_ns)), (rfc3339(from_ns)[:19] + "Z", zoned)]:
        assert ids(client.get("/api/exchanges", params={"from": str(from_), "to": str(to)})) == expected


def test_without_a_span_the_last_quarter_of_an_hour_counts(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """What is older must be asked for."""
    now_ns = time.time_ns()
    put(row(now_ns - 16 * MINUTE_NS, 1), row(now_ns - 14 * MINUTE_NS, 2), row(now_ns, 3))
    assert ids(client.get("/api/exchanges")) == [record_id(now_ns, 3), record_id(now_ns - 14 * MINUTE_NS, 2)]


def test_one_exchange(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """By its id; what is not there is 404 in the error shape."""
    item = record(start_ns, 5, path="/é\u2028\0", flags=["gap", "reset"])
    put(row_of(item))
    assert client.get(f"/api/exchanges/{item['id']}").json() == item
    missing = client.get(f"/api/exchanges/{'0' * 32}")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"


def test_services_show_rate_success_percentiles_and_throughput(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """Hand-made numbers: 100 calls of 1 … 100 ms, 4 of them failed, over ten minutes watched."""
    calls = [
        row(start_ns + n * 10**9, n, duration_ns=(n + 1) * 10**6, status=503 if n < 3 else None if n == 3 else 404)
        for n in range(100)
    ]
    put(*calls, row(start_ns, 500, service="quiet"))
    body = client.get("/api/services").json()
    cart, quiet = body["services"]
    watched_s = body["span"]["watched_s"]
    assert 600 <= watched_s <= 690
    assert (cart["name"], quiet["name"]) == ("cart", "quiet")
    assert (cart["calls"], cart["success_rate"]) == (100, 0.96)
    assert cart["calls_per_minute"] == pytest.approx(6000 / watched_s, abs=0.001)
    assert cart["bytes_per_second"] == pytest.approx(100 * (164 + 1180) / watched_s, abs=0.001)
    assert [cart[name] for name in ("p50_ns", "p95_ns", "p99_ns")] == [
        pytest.approx(n * 10**6, rel=0.01)
        for n in (51, 96, 100)  # of the 99 that got a response
    ]
    assert sum(cart["spark"]) == 100
    assert len(cart["spark"]) == (body["span"]["to_ns"] - body["span"]["from_ns"]) // 10**9 // body["span"]["bar_s"]


def test_endpoints_of_a_service(client: httpx.Client, put: Callable[..., None], start_ns: int) -> None:
    """Most failing first; a response whose request was not seen is no call; a name may hold anything."""
    name = "ns/cart v2?#%"
    put(
        *(row(start_ns + n, n, service=name, path="/ok") for n in range(5)),
        row(start_ns + 10, 10, service=name, method="POST", path="/bad", status=500),
        row(start_ns + 11, 11, service=name, method=None, path=None, host=None, flags=["no_request"]),
        row(start_ns + 13, 13, service=name, method=None, path="/odd"),
        row(start_ns + 12, 12, service="other", path="/other"),
    )
    found = client.get(f"/api/services/{urllib.parse.quote(name, safe='')}/endpoints")
    assert found.status_code == 200, found.text
    listed = [(each["method"], each["path"], each["calls"], each["success_rate"]) for each in found.json()["endpoints"]]
    assert listed == [("POST", "/bad", 1, 0.0), ("GET", "/ok", 5, 1.0), (None, "/odd", 1, 1.0)]
    assert client.get("/api/services/nobody/endpoints").json()["endpoints"] == []


def test_an_empty_store_has_empty_answers(quiet: httpx.Client) -> None:
    """Not errors: the page says what to do."""
    assert quiet.get("/api/services").json()["services"] == []
    assert quiet.get("/api/exchanges").json() == {"exchanges": [], "next": None, "sampled_one_in": None}


def test_node_and_ledger_tell_what_the_daemon_says(client: httpx.Client, put: Callable[..., None]) -> None:
    """And what the backend sees of its own store."""
    put(*traffic(7, time.time_ns()))
    node = client.get("/api/node").json()
    assert node["ledger"] == client.get("/api/ledger").json() == FACTS["ledger"]
    assert node["hooks"] == FACTS["hooks"]
    assert node["tls"] == FACTS["tls"]
    assert node["cost"] == FACTS["cost"]
    assert node["watched_processes"] == 42
    assert node["store"]["stored"] == 7
    assert node["store"]["lost"] == {}
    assert node["uptime_s"] > 0


def test_answers_have_the_shapes_that_the_openapi_page_promises(
    client: httpx.Client, put: Callable[..., None], start_ns: int
) -> None:
    """Strictly: a wrong type anywhere is an error."""
    rows = [
        *traffic(200, start_ns),
        row(start_ns, 9000, duration_ns=None, first_byte_ns=None, status=None, service=None, method=None, path=None),
        row(
            start_ns,
            9001,
            trace={"format": "w3c", "trace_id": "ab", "span_id": None, "sampled": True},
            tls={"library": "openssl", "version": None},
            grpc={"service": "a.B", "method": "C", "status": 0},
            flags=["truncated"],
        ),
    ]
    put(*rows)
    for path, shape in [
        ("/api/services", Services),
        ("/api/services/cart/endpoints", Endpoints),
        ("/api/exchanges?limit=500", Exchanges),
        (f"/api/exchanges/{rows[0][0]}", Record),
        ("/api/node", Node),
    ]:
        answer = client.get(path)
        assert answer.status_code == 200
        again = json.loads(msgspec.json.encode(msgspec.json.decode(answer.content, type=shape)))
        assert again == answer.json(), "the shape has no field too few"


BAD: list[tuple[str, str]] = [
    ("/api/exchanges?limit=0", "limit: expected `int` >= 1"),
    ("/api/exchanges?limit=501", "limit: expected `int` <= 500"),
    ("/api/exchanges?limit=ten", "limit: expected `int`, got `str`"),
    ("/api/exchanges?limit=", "limit"),
    ("/api/exchanges?limit=" + "9" * 400, "limit"),
    ("/api/exchanges?side=left", "side: invalid enum value 'left'"),
    ("/api/exchanges?status=abc", "status"),
    ("/api/exchanges?status=6000", "status"),
    ("/api/exchanges?status=" + "404," * 8 + "404", "status"),
    ("/api/exchanges?slower=fast", "slower is no duration such as 200ms"),
    ("/api/exchanges?slower=-5ms", "slower"),
    ("/api/exchanges?slower=٣ms", "slower"),
    ("/api/exchanges?slower=" + "9" * 30 + "s", "slower"),
    ("/api/exchanges?before=xyz", "before"),
    ("/api/exchanges?after=" + "0" * 31, "after"),
    ("/api/exchanges?from=yesterday", "from is neither a time"),
    ("/api/exchanges?from=2026-13-45T99:99:99Z", "from is neither a time"),
    ("/api/exchanges?from=2026-01-31T09:30:00", "from is neither a time"),
    ("/api/exchanges?from=" + "9" * 30, "from is neither a time"),
    ("/api/exchanges?from=" + "9" * 50, "from: expected `str` of length <= 40"),
    ("/api/exchanges?from=1969-12-31T23:59:59Z", "from"),
    ("/api/exchanges?from=200&to=100", "from is later than to"),
    ("/api/services?from=0", "more than 366 days apart"),
    ("/api/exchanges?service=" + "x" * 257, "service: expected `str` of length <= 256"),
    ("/api/exchanges?service=", "service"),
    ("/api/exchanges?path=" + "x" * 2049, "path"),
    ("/api/exchanges?limit=1&limit=2", "limit is given twice"),
    ("/api/exchanges?colour=red", "unknown field `colour`"),
    ("/api/services?service=cart", "unknown field `service`"),
    ("/api/node?x=1", "unknown field `x`"),
    ("/api/exchanges/stream?limit=5", "unknown field `limit`"),
    ("/api/exchanges/abc", "id: not 32 hexadecimal digits"),
    ("/api/exchanges/" + "0" * 31 + "%00", "id"),
    ("/api/services/" + "x" * 300 + "/endpoints", "name: longer than 256"),
]


@pytest.mark.parametrize(("path", "message"), BAD, ids=[path[:50] for path, _ in BAD])
def test_a_bad_parameter_is_an_error_that_says_which(quiet: httpx.Client, path: str, message: str) -> None:
    """400 in the one shape, never a guess and never a traceback."""
    answer = quiet.get(path)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "bad_parameter"
    assert message in error["message"].replace("Object contains u", "u")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/services/cart", "/api/exchanges/a/b"])
def test_an_unknown_path_of_the_api_is_404_as_json(quiet: httpx.Client, path: str) -> None:
    """Not the web page, which answers every other path."""
    answer = quiet.get(path, follow_redirects=True)
    assert answer.status_code in (400, 404)
    assert set(answer.json()["error"]) == {"code", "message"}


def test_a_search_that_takes_long_goes_on_where_it_ended(
    client: httpx.Client, put: Callable[..., None], start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page all that match, each once, in order; no page takes longer than it may."""
    monkeypatch.setattr(query, "LOOK_S", 0.0)
    monkeypatch.setattr(query, "SLICE_ROWS", 50)
    monkeypatch.setattr(query, "MOST_SLICE_ROWS", 100)
    rows = list(traffic(1500, start_ns, step_ns=100_000))
    put(*rows)
    for filters, matches in (
        ("path=/health", lambda row: row[12] == "/health"),
        ("service=cart&path=/health", lambda row: row[7] == "cart" and row[12] == "/health"),
        ("status=503", lambda row: row[13] == 503),
        ("path=/nothing", lambda row: False),
        ("path=/noth*", lambda row: False),
    ):
        found, pages, before = [], 0, ""
        while before is not None:
            span = f"&from={start_ns}&limit=20" + (f"&before={before}" if before else "")
            answer = client.get(f"/api/exchanges?{filters}{span}").json()
            assert len(answer["exchanges"]) <= 20
            found += [each["id"] for each in answer["exchanges"]]
            pages, before = pages + 1, answer["next"]
        assert found == [row[0] for row in reversed(rows) if matches(row)], filters
        assert pages > 1 or filters in ("status=503", "path=/nothing"), filters


def test_a_query_that_takes_too_long_is_504(
    client: httpx.Client, store: Store, put: Callable[..., None], start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says what helps; the next query is answered."""
    put(*traffic(20_000, start_ns, step_ns=1000))
    monkeypatch.setattr(store._readers, "_limit_s", 0.0)
    monkeypatch.setattr(readers, "CHECK_EVERY", 100)
    answer = client.get("/api/exchanges?path=/nothing/*")
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "query_timeout"
    assert "narrow" in answer.json()["error"]["message"]
    monkeypatch.undo()
    assert client.get("/api/exchanges?path=/nothing/*").status_code == 200


def test_an_unexpected_failure_is_500_in_the_error_shape(
    client: httpx.Client, store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The details are in the log, in one line, not in the answer and not as a traceback."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(store, "ask", fail)
    answer = client.get("/api/services")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text
    assert "Traceback" not in "".join(capfd.readouterr())
