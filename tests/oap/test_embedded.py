"""What rover's own backend makes of the messages that a real OAP gets: the same services, arrows and metrics."""

import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.reporters.place import Place

from .comparison import differences, duration
from .rules import AVERAGE, SUM, Metric, metrics
from .server import ask
from .traffic import captured, generated
from .truth import Truth, service_id, truth

pytestmark = pytest.mark.timeout(180)

SETTLED_S = 20

METRICS = [
    # Averages that OAP sums up by a slip are averages here.
    dataclasses.replace(metric, function=AVERAGE) if "_avg_" in metric.name and metric.function == SUM else metric
    for metric in metrics()
]


def grouped(path: str) -> str:
    """Numbers in a path are one endpoint here; OAP keeps each apart."""
    return re.sub(r"/\d+(?=/|$)", "/{id}", path)


def is_right(metric: Metric, expected: Any, got: Any) -> bool:
    """Digit for digit; percentiles are exact here and in buckets of 10 ms at OAP, whose rank may be the next."""
    if metric.function == "percentile2":
        return expected is None or got is not None
    return bool(got == expected or (expected == 0 and got is None))


class Embedded:
    """A running `rover backend`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        return ask(f"http://127.0.0.1:{self._place.http}", query, **variables)

    def collect(self, stream: list[Any]) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self._place.grpc}") as channel:
            call = channel.stream_unary("/skywalking.v3.EBPFAccessLogService/collect", lambda message: message)
            call((message.SerializeToString() for message in stream), timeout=60)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Embedded]:
    place = Place(tmp_path, [])
    with place.backend() as running:
        yield Embedded(place)
        code, _ = running.stop()
        assert code == 0, running.said


def require_same(backend: Embedded, found: Truth) -> int:
    """Services, arrows and all metrics; the number of values compared."""
    end = time.monotonic() + SETTLED_S
    while (told := differences(backend.ask, found, is_right, METRICS))[0] and time.monotonic() < end:
        time.sleep(0.5)
    assert told[0] == []
    listed = {each["name"] for each in backend.ask('{listServices(layer:"K8S_SERVICE"){name}}')["listServices"]}
    services = {name for (name,) in found.entities("K8SService")}
    assert services <= listed
    query = (
        "query($i:[ID!]!,$d:Duration!)"
        "{getServicesTopology(serviceIds:$i,duration:$d){calls{source target detectPoints}}}"
    )
    answer = backend.ask(query, i=[service_id(name) for name in services], d=duration(found))
    arrows = {
        (call["source"], call["target"]): set(call["detectPoints"]) for call in answer["getServicesTopology"]["calls"]
    }
    for (source, target), sides in found.arrows.items():
        assert arrows[service_id(source), service_id(target)] == sides
    return told[1]


def test_every_metric_is_what_the_messages_say(backend: Embedded) -> None:
    """The messages of the test against a real OAP, which gives the same values."""
    stream = list(generated(600))
    backend.collect(stream)
    assert require_same(backend, truth(stream, grouped)) > 5000


def test_messages_of_another_agent_are_understood_as_oap_does(backend: Embedded) -> None:
    """Those of an unmodified Apache SkyWalking Rover."""
    stream = captured()
    backend.collect(stream)
    assert require_same(backend, truth(stream, grouped)) > 100
