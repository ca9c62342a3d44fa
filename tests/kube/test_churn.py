"""Pods that replace each other at one address: a record never has the name of another than the one that was there."""

from __future__ import annotations

import os

import pytest

from tests.kube.pods import PORT
from tests.stage.rover import Record, unexplained

pytestmark = [pytest.mark.root, pytest.mark.slow]

PODS = int(os.environ.get("KUBE_TEST_CHURN", "12"))
ASKED = 5


@pytest.mark.timeout(900)
def test_an_address_that_the_next_pod_takes_over_never_lends_the_old_name(pods, watching):
    client = pods.start("shop-0", command=("sleep", "3000"))
    address = pods.address()
    with watching() as rover:
        for number in range(PODS):
            pod = pods.start(f"web{number}-x", address)
            pods.ask(client, *[f"http://{address}:{PORT}/{pod['name']}"] * ASKED)
            pods.remove(pod)
        count = 2 * ASKED * PODS
        assert rover.wait_for(lambda: len(of_test(rover.records)) >= count), len(of_test(rover.records))
        assert unexplained(rover.stop()) == 0
    records = of_test(rover.records)
    told = [(record["path"], pod_of(record, "local" if record["side"] == "server" else "remote")) for record in records]
    assert len(told) == count
    assert not [each for each in told if each[0] != f"/{each[1]}"]
    assert {pod_of(record, "local") for record in records if record["side"] == "client"} == {"shop-0"}


def of_test(records: list[Record]) -> list[Record]:
    """Those of the client, and not of the API."""
    return [record for record in records if record["local"]["port"] == PORT or record["remote"]["port"] == PORT]


def pod_of(record: Record, end: str) -> str | None:
    pod: str | None = (record[end]["identity"] or {}).get("kubernetes", {}).get("pod")
    return pod
