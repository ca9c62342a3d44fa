"""The two records of one exchange find each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rover.backend import Store
from rover.backend.store import partner
from tests.backend.rows import record, row_of, traffic

SECOND = 10**9
MS = 10**6
NODES = (0x0BADCAFE, 0x0BADCAFF)
"""Runs of two engines."""


@pytest.fixture
def start_ns() -> int:
    """A minute ago."""
    return time.time_ns() - 60 * SECOND


def half(
    side: str,
    start_ns: int,
    *,
    run: int = NODES[0],
    duration_ns: int = 2 * MS,
    boot_ns: int = 0,
    exchange: int = 1,
    port: int = 40000,
    **fields: Any,
) -> dict[str, Any]:
    """One end of an exchange between 10.0.0.1:port and 10.0.0.2:8080; `boot_ns` is when its node was booted."""
    made = record(start_ns, duration_ns=duration_ns)
    client, server = {"address": "10.0.0.1", "port": port}, {"address": "10.0.0.2", "port": 8080}
    local, remote = (client, server) if side == "client" else (server, client)
    flags = fields.get("flags", [])
    end_ns = start_ns - boot_ns + (0 if "no_response" in flags else duration_ns)
    return made | {
        "id": f"{start_ns:016x}{run:08x}{exchange:03x}{port:04x}{1 if side == 'client' else 2}",
        "start_ns": start_ns - boot_ns,
        "end_ns": end_ns,
        "side": side,
        "local": local | {"identity": None},
        "remote": remote | {"identity": None},
        "connection": made["connection"] | {"role": side, "exchange": exchange},
        **fields,
    }


Find = Callable[[dict[str, Any]], str | None]
Put = Callable[..., None]


@pytest.fixture
def partner_of(client: httpx.Client) -> Find:
    """Id of the partner, or None."""

    def find(item: dict[str, Any]) -> str | None:
        answer = client.get(f"/api/exchanges/{item['id']}/partner")
        assert answer.status_code == 200, answer.text
        found = answer.json()["partner"]
        return found and found["id"]

    return find


def are_partners(put: Put, partner_of: Find, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Stores both; whether each is the other's partner. One alone is a defect."""
    put(row_of(one), row_of(other))
    found = [partner_of(one) == other["id"], partner_of(other) == one["id"]]
    assert found[0] == found[1]
    return found[0]


def test_both_ends_find_each_other_among_others(put: Put, partner_of: Find, start_ns: int) -> None:
    """Same addresses turned round, same place in the connection, same time; also in heavy traffic."""
    put(*traffic(2000, start_ns - 50 * MS))
    neighbours = [half("client", start_ns, port=40001), half("server", start_ns + MS, port=40002)]
    put(*map(row_of, neighbours))
    assert are_partners(put, partner_of, half("client", start_ns), half("server", start_ns + MS, duration_ns=MS // 2))
    assert [partner_of(each) for each in neighbours] == [None, None]


def test_the_record_is_answered_whole(client: httpx.Client, put: Put, start_ns: int) -> None:
    """As the other operations give it."""
    one, other = half("client", start_ns), half("server", start_ns + MS)
    put(row_of(one), row_of(other))
    assert client.get(f"/api/exchanges/{one['id']}/partner").json() == {"partner": other}


@pytest.mark.parametrize(
    ("changes", "is_partner"),
    [
        ({}, True),
        ({"exchange": 2}, False),
        ({"path": "/other"}, False),
        ({"method": "PUT"}, False),
        ({"exchange": 9, "flags": ["pre_existing"]}, True),
        ({"local": {"address": "10.0.0.3", "port": 8080, "identity": None}}, False),
        ({"remote": {"address": "10.0.0.1", "port": 40001, "identity": None}}, False),
    ],
)
def test_what_is_compared(put: Put, partner_of: Find, start_ns: int, changes: dict[str, Any], is_partner: bool) -> None:
    """Addresses, method, path, number within the connection unless it is counted from the middle."""
    assert (
        are_partners(put, partner_of, half("client", start_ns), half("server", start_ns + MS, **changes)) == is_partner
    )


def test_streams_of_one_connection_are_told_apart(put: Put, partner_of: Find, start_ns: int) -> None:
    """HTTP/2 exchanges run side by side."""
    ends = [
        half(side, start_ns + at, exchange=number, connection=record(start_ns)["connection"] | {"stream": stream})
        for side, at in (("client", 0), ("server", MS))
        for number, stream in ((1, 1), (2, 3))
    ]
    put(*map(row_of, ends))
    assert [partner_of(each) for each in ends] == [ends[2]["id"], ends[3]["id"], ends[0]["id"], ends[1]["id"]]


@pytest.mark.parametrize(("later_ns", "is_partner"), [(MS, True), (3 * MS, False), (500 * MS, False)])
def test_on_one_clock_they_overlap(put: Put, partner_of: Find, start_ns: int, later_ns: int, is_partner: bool) -> None:
    """A port is used again within a second: that is another connection."""
    assert are_partners(put, partner_of, half("client", start_ns), half("server", start_ns + later_ns)) == is_partner


@pytest.mark.parametrize(("later_ns", "is_partner"), [(-SECOND, True), (SECOND, True), (3 * SECOND, False)])
def test_on_two_clocks_they_may_be_apart(
    put: Put, partner_of: Find, start_ns: int, later_ns: int, is_partner: bool
) -> None:
    """Each node has its own clocks; time since boot says nothing about the other."""
    server = half("server", start_ns + later_ns, run=NODES[1], boot_ns=start_ns - 7 * SECOND)
    assert are_partners(put, partner_of, half("client", start_ns), server) == is_partner


def test_of_several_the_nearest_is_taken(put: Put, partner_of: Find, start_ns: int) -> None:
    """A port used again, on clocks that are apart."""
    servers = [half("server", start_ns + at, run=NODES[1]) for at in (-900 * MS, 100 * MS, 800 * MS)]
    mine = half("client", start_ns)
    put(*map(row_of, [mine, *servers]))
    assert partner_of(mine) == servers[1]["id"]


def test_a_request_that_waited_for_its_server_is_found(put: Put, partner_of: Find, start_ns: int) -> None:
    """Twenty seconds in the queue of a busy server."""
    ends = half("client", start_ns, duration_ns=21 * SECOND), half("server", start_ns + 20 * SECOND)
    assert are_partners(put, partner_of, *ends)


def test_a_request_without_response_is_found(put: Put, partner_of: Find, start_ns: int) -> None:
    """The client's record ends with its last byte, before the server's begins."""
    ends = half("client", start_ns, flags=["no_response"]), half("server", start_ns + 50 * MS, flags=["no_response"])
    assert are_partners(put, partner_of, *ends)


def test_it_is_found_among_more_of_its_path_than_may_be_looked_at(
    put: Put, partner_of: Find, start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What both ends have leads there: others with the same path, nearer in time, are not in the way."""
    monkeypatch.setattr(partner, "MOST", 100)
    ends = half("client", start_ns, duration_ns=20 * MS), half("server", start_ns + 10 * MS)
    put(row_of(ends[0]))
    for first in range(0, 400, 200):
        sides = [(side, at) for at in range(first, first + 200) for side in ("client", "server")]
        put(*(row_of(half(side, start_ns + MS + at * 1000, port=41_000 + at)) for side, at in sides))
    put(row_of(ends[1]))
    assert [partner_of(each) for each in ends] == [ends[1]["id"], ends[0]["id"]]


@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_stored_before_is_found_too(
    put: Put, partner_of: Find, start_ns: int, store: Store, is_known: bool
) -> None:
    """By a rover that did not keep what both ends have, of one end or of both; not those of another connection."""
    ends = half("client", start_ns), half("server", start_ns + MS)
    neighbours = [half(each["side"], each["start_ns"] + at, port=40001) for each in ends for at in (-1, 1)]
    put(*map(row_of, [*neighbours, ends[0]]))
    put(row_of(ends[1]))
    connection = store._writer._connection
    number = connection.execute("SELECT max(first) FROM same_exchange").fetchone()[0]
    connection.execute("DELETE FROM same_exchange WHERE first < ?", (number + (not is_known),))
    assert [partner_of(each) for each in ends] == [ends[1]["id"], ends[0]["id"]]


def test_the_finished_record_is_told_not_the_one_before(put: Put, partner_of: Find, start_ns: int) -> None:
    """Both have the same id; the first is gone from the list, but not yet from its block."""
    server = half("server", start_ns + MS, duration_ns=40 * MS)
    put(row_of(server | {"flags": ["unfinished"], "duration_ns": None, "status": None}))
    client = half("client", start_ns, duration_ns=42 * MS)
    put(row_of(client), row_of(server))
    assert partner_of(client) == server["id"]


def test_a_record_without_addresses_has_no_partner(put: Put, partner_of: Find, start_ns: int) -> None:
    """TLS that was tied to no connection, or another agent's: no error."""
    unknown = {"address": None, "port": None, "identity": None}
    ends = [half(side, start_ns, local=unknown, remote=unknown) for side in ("client", "server")]
    put(*map(row_of, ends))
    assert [partner_of(each) for each in ends] == [None, None]


def test_an_exchange_that_is_not_stored_has_no_partner_to_ask_for(client: httpx.Client) -> None:
    """404 as for the exchange itself; a bad id is the client's mistake."""
    assert client.get(f"/api/exchanges/{'0' * 32}/partner").status_code == 404
    assert client.get("/api/exchanges/xyz/partner").status_code == 400
