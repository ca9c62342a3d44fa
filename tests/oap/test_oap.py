"""What a real OAP makes of the messages that rover sends, metric by metric."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from rover.backend.graphql.dashboards import dashboards
from tests.backend.graphql.pages import expressions
from tests.wire.programs import BUILD_SECONDS, send_records
from tests.wire.recorder import Recorder

from .comparison import differences, duration, entity_of
from .rules import metrics
from .server import Oap, maybe_missing
from .traffic import captured, generated
from .truth import Truth, service_id, truth

MISSING = maybe_missing()

pytestmark = [
    pytest.mark.oap,
    pytest.mark.timeout(BUILD_SECONDS),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

SETTLED_S = 40
"""OAP writes what it computed every three seconds, and later on a busy machine."""

MINUTE_NS = 60 * 10**9


@pytest.fixture(scope="module")
def oap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oap]:
    with Oap(tmp_path_factory.mktemp("oap")) as oap:
        yield oap


def collect(oap: Oap, stream: list[Any]) -> None:
    """Send messages as an agent does."""
    with grpc.insecure_channel(oap.address) as channel:
        call = channel.stream_unary("/skywalking.v3.EBPFAccessLogService/collect", lambda message: message)
        call((message.SerializeToString() for message in stream), timeout=60)


def require_same(oap: Oap, found: Truth) -> int:
    """Services, pods, endpoints, arrows and all metrics; the number of values compared."""
    end = time.monotonic() + SETTLED_S
    while (wrong := differences(oap.ask, found)[0]) and time.monotonic() < end:
        time.sleep(1)
    assert wrong == []
    listed = {each["name"] for each in oap.ask('{listServices(layer:"K8S_SERVICE"){name}}')["listServices"]}
    services = {name for (name,) in found.entities("K8SService")}
    assert services <= listed
    window = duration(found)
    for service in services:
        of_service = {"i": service_id(service)}
        pods = oap.ask(
            "query($i:ID!,$d:Duration!){listInstances(serviceId:$i,duration:$d){name}}", **of_service, d=window
        )
        told = {each["name"] for each in pods["listInstances"]}
        assert told == {pod for name, pod in found.entities("K8SServiceInstance") if name == service}
        query = 'query($i:ID!){findEndpoint(serviceId:$i,keyword:"",limit:1000){name}}'
        told = {each["name"] for each in oap.ask(query, **of_service)["findEndpoint"]}
        assert told >= {endpoint for name, endpoint in found.entities("K8SEndpoint") if name == service}
    query = (
        "query($i:[ID!]!,$d:Duration!)"
        "{getServicesTopology(serviceIds:$i,duration:$d){calls{source target detectPoints}}}"
    )
    calls = oap.ask(query, i=[service_id(name) for name in services], d=window)["getServicesTopology"]["calls"]
    arrows = {(call["source"], call["target"]): set(call["detectPoints"]) for call in calls}
    for (source, target), sides in found.arrows.items():
        assert arrows[service_id(source), service_id(target)] == sides
    _, compared = differences(oap.ask, found)
    return compared


def test_every_metric_is_what_the_messages_say(oap: Oap) -> None:
    """Generated messages in which every figure differs: both sides, pods, all operations."""
    stream = list(generated(600))
    collect(oap, stream)
    compared = require_same(oap, truth(stream))
    print(f"{compared} values compared")
    assert compared > 6000


def test_the_dashboards_of_the_user_interface_are_understood_as_oap_does(oap: Oap) -> None:
    """Every expression that the embedded backend tells SkyWalking's user interface to ask, asked of OAP itself."""
    stream = list(generated(60))
    collect(oap, stream)
    found = truth(stream)
    asked = [one for page in dashboards() for one in expressions(json.loads(page["configuration"]))]
    scopes = {"All": "Service"}
    metric_of = {metric.source.removeprefix("K8S"): metric for metric in metrics()}
    query = (
        "query($x:String!,$e:Entity!,$d:Duration!){r:execExpression(expression:$x,entity:$e,duration:$d){type error}}"
    )
    wrong = []
    for scope, expression in asked:
        metric = metric_of[scopes.get(scope, scope)]
        entity = entity_of(metric, next(iter(found.entities(metric.source))))
        answer = oap.ask(query, x=expression, e=entity, d=duration(found))["r"]
        if answer["error"] or answer["type"] == "UNKNOWN":
            wrong.append((expression, answer))
    assert wrong == []
    assert len(asked) > 200


def test_messages_of_another_agent_are_understood_as_oap_does(oap: Oap) -> None:
    """Those of an unmodified Apache SkyWalking Rover."""
    stream = captured()
    collect(oap, stream)
    assert require_same(oap, truth(stream)) > 100


def test_what_rover_sends_is_what_oap_computes_with(oap: Oap) -> None:
    """The same records once to a recorder, once to OAP: all shapes, with the figures of the layers."""
    at_ns = (int(time.time()) // 60 - 2) * MINUTE_NS
    with Recorder() as recorder:
        send_records([recorder.address], 600, layers=True, at_ns=at_ns, unknown_end="name")
    before = oap.counters()
    sent = send_records([oap.address], 600, layers=True, at_ns=at_ns, unknown_end="name")
    assert sent.is_balanced
    assert sent.stats["dropped"] == {}
    found = truth(recorder.messages)
    after = oap.counters()
    logs = sum(len(message.kernelLogs) + message.HasField("protocolLog") for message in recorder.messages)
    assert after["k8s_als_in_count"] - before.get("k8s_als_in_count", 0) == logs - found.dropped
    assert require_same(oap, found) > 1000


def test_what_oap_cannot_take_at_once_waits_and_none_is_lost(oap: Oap, tmp_path: Any) -> None:
    """Far more than OAP takes: the reporter paces, the disk keeps what memory cannot, and OAP counts every log."""
    count, at_ns = 48_000, (int(time.time()) // 60 - 5) * MINUTE_NS
    with Recorder() as recorder:
        send_records([recorder.address], count, at_ns=at_ns, unknown_end="name")
    logs = sum(len(message.kernelLogs) + message.HasField("protocolLog") for message in recorder.messages)
    before, began = oap.counters(), time.monotonic()
    spool = {"path": str(tmp_path / "spool"), "bytes": 1 << 30, "hours": 24}
    options: dict[str, Any] = {
        "at_ns": at_ns,
        "rate": 12_000,
        "unknown_end": "name",
        "queue_bytes": 2 << 20,
        "spool": spool,
    }
    on_disk = 0
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_records, [oap.address], count, **options)
        while not sending.done():
            files = list((tmp_path / "spool").glob("*"))
            on_disk = max(on_disk, sum(file.stat().st_size for file in files if file.exists()))
            time.sleep(0.02)
        sent = sending.result()
    elapsed = time.monotonic() - began
    print(f"{sent.stats['acked'] / elapsed:.0f} exchanges/s taken, {on_disk} bytes on disk at most, {sent.stats}")
    assert sent.is_balanced
    after = oap.counters()
    taken = sum(
        after.get(f"k8s_als_{what}_count", 0) - before.get(f"k8s_als_{what}_count", 0) for what in ("in", "drop")
    )
    assert sent.stats["dropped"] == {}
    assert sent.stats["acked"] + sent.stats["withheld"] == count
    assert taken == logs
    assert on_disk > 100_000
