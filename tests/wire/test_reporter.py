"""rover's reporter, received by grpcio: is it what OAP accepts, and all of it?"""

from typing import Any

import pytest

from tests.wire import messages
from tests.wire.programs import BUILD_SECONDS, send_records
from tests.wire.recorder import Recorder

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

DIFFERENT = 12
"""Records that the sender knows; `reporters/examples/send_records.rs` has the list."""

UNLISTED = 127


def by_number(received: list[Any]) -> dict[int, Any]:
    """Messages by the number of their record; those without protocol log have none and are left out."""
    exchanges = [message for message in received if message.HasField("protocolLog")]
    numbers = {}
    for message in exchanges:
        path = message.protocolLog.http.request.path
        numbers[int(path.removeprefix("/item/")) if path != "/" else 9] = message
    return numbers


def require_sound(message: Any) -> None:
    """What OAP takes in without losing or corrupting anything (observed on a real one)."""
    assert messages.unknown_fields(message) == []
    assert message.kernelLogs or message.HasField("protocolLog")
    for log in message.kernelLogs:
        operation = getattr(log, log.WhichOneof("operation"))
        assert operation.HasField("startTime")
        assert operation.HasField("endTime")
        assert operation.startTime.offset.offset <= operation.endTime.offset.offset
    if message.HasField("protocolLog"):
        http = message.protocolLog.http
        assert 0 < http.startTime.offset.offset <= http.endTime.offset.offset
        assert http.request.path
        assert "?" not in http.request.path
        assert 100 <= http.response.statusCode <= 999
        assert 0 <= http.request.method < len(messages.METHODS) or http.request.method == UNLISTED


def test_an_exchange_is_told_field_by_field() -> None:
    """The first record, whole, with node and connection before it."""
    with Recorder() as oap:
        send_records([oap.address], 1)
    (message,) = oap.messages
    sent = messages.tree(message)
    node = sent.pop("node")
    assert node["name"] == "node-a"
    assert node["bootTime"] == {"seconds": 1795261575, "nanos": 677901234}
    assert {"index": 1, "mtu": 65536, "name": "lo"} in node["netInterfaces"]
    assert sent == {
        "connection": {
            "local": {
                "kubernetes": {
                    "serviceName": "nginx",
                    "podName": "nginx@node-a",
                    "processName": "nginx",
                    "port": 80,
                }
            },
            "remote": {"ip": {"host": "fd00::3", "port": 59970}},
            "role": 1,
            "protocol": 1,
        },
        "kernelLogs": [
            {
                "read": {
                    "startTime": {"offset": {"offset": 990_000}},
                    "endTime": {"offset": {"offset": 1_000_000}},
                    "syscall": 3,
                    "l2Metrics": {"totalPackageSize": 90},
                }
            },
            {
                "write": {
                    "startTime": {"offset": {"offset": 2_460_000}},
                    "endTime": {"offset": {"offset": 2_500_000}},
                    "syscall": 1,
                    "l4Metrics": {"totalPackageSize": 210},
                }
            },
        ],
        "protocolLog": {
            "http": {
                "startTime": {"offset": {"offset": 1_000_000}},
                "endTime": {"offset": {"offset": 2_500_000}},
                "request": {
                    "path": "/item/0",
                    "sizeOfHeadersBytes": 90,
                    "trace": {"provider": 1, "traceId": "a1b2", "traceSegmentId": "e5f6", "spanId": 3},
                    "host": "shop.local",
                },
                "response": {"statusCode": 200, "sizeOfHeadersBytes": 148, "sizeOfBodyBytes": 62},
            }
        },
    }


def test_every_shape_of_record_is_sound_and_none_is_lost() -> None:
    """What the protocol cannot say is left out, never said wrongly."""
    with Recorder() as oap:
        sent = send_records([oap.address], DIFFERENT)
    assert sent.is_balanced
    # The unfinished one comes again when it is finished.
    assert (sent.stats["acked"], sent.stats["withheld"], sent.stats["dropped"]) == (DIFFERENT - 1, 1, {})
    assert len(oap.messages) == DIFFERENT - 1
    for message in oap.messages:
        require_sound(message)
    exchanges = by_number(oap.messages)
    # 2 has no response, 3 no request.
    assert sorted(exchanges) == [0, 1, 4, 5, 7, 8, 9, 10, 11]
    assert exchanges[1].protocolLog.http.request.method == UNLISTED
    assert exchanges[4].connection.role == 0
    assert exchanges[5].connection.remote.kubernetes.serviceName == "curl"
    assert [log.write.syscall for log in exchanges[8].kernelLogs if log.HasField("write")] == [UNLISTED]
    assert exchanges[9].protocolLog.http.request.path == "/"
    assert not exchanges[10].protocolLog.http.request.HasField("trace")


def test_node_once_per_stream_and_a_connection_that_may_not_resolve_in_every_message() -> None:
    """OAP books a message without connection on the one before, also when that one failed to resolve."""
    with Recorder() as oap:
        send_records([oap.address], 600)
    for stream in oap.streams:
        assert [message.HasField("node") for message in stream] == [True] + [False] * (len(stream) - 1)
        inherited = None
        for message in stream:
            if message.HasField("connection"):
                ends = (message.connection.local, message.connection.remote)
                inherited = all(end.WhichOneof("address") == "kubernetes" for end in ends)
            assert inherited or message.HasField("connection")


def test_records_arrive_in_order_and_once() -> None:
    """Several streams, closed by size, follow one another."""
    with Recorder() as oap:
        sent = send_records([oap.address], 3000, stream_bytes=50_000)
    assert sent.is_balanced
    assert len(oap.streams) > 3
    paths = [message.protocolLog.http.request.path for message in oap.messages if message.HasField("protocolLog")]
    numbers = [int(path.removeprefix("/item/")) for path in paths if path != "/"]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(set(numbers)) == 3000 * 8 // 12


def test_a_failed_stream_is_repeated() -> None:
    """At least once: the batch comes again on a stream of its own."""
    with Recorder(failing=1) as oap:
        sent = send_records([oap.address], DIFFERENT)
    assert sent.is_balanced
    assert (sent.stats["acked"], sent.stats["dropped"]) == (DIFFERENT - 1, {})
    assert len(oap.streams[1]) == DIFFERENT - 1


def test_a_receiver_of_the_stream_alone_is_enough() -> None:
    """Whoever answers UNIMPLEMENTED to the question who it is gets OAP's protocol."""
    with Recorder(knows_processes=False) as oap:
        sent = send_records([oap.address], DIFFERENT)
    assert sent.stats["acked"] == DIFFERENT - 1
    assert not any(message.rover_record for message in oap.messages)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:11800"])
def test_the_next_address_is_taken_when_one_does_not_answer(address: str) -> None:
    """Addresses are tried in turn."""
    with Recorder() as oap:
        sent = send_records([address, oap.address], DIFFERENT)
    assert sent.stats["acked"] == DIFFERENT - 1
    assert address in sent.stats["last_error"]


def test_the_token_goes_with_every_call() -> None:
    """As the metadata `authentication`, the question who is there included."""
    with Recorder(token="secret") as oap:
        sent = send_records([oap.address], DIFFERENT, token="secret")
    assert sent.stats["acked"] == DIFFERENT - 1
    assert [len(report.processes) for report in oap.reports] == [0]
    assert oap.reports[0].ebpfAgentID


def test_a_backend_of_rovers_own_gets_whole_records() -> None:
    """Only who announced itself sees the field that OAP's protocol does not have."""
    with Recorder(is_rover=True) as backend:
        sent = send_records([backend.address], DIFFERENT)
    assert (sent.stats["acked"], sent.stats["withheld"]) == (DIFFERENT, 0)
    first, *others = backend.messages
    assert first.node.name == "node-a"
    assert len(others) == DIFFERENT - 1
    for message in backend.messages:
        assert message.rover_record.startswith('{"id":"')
        assert not message.HasField("protocolLog")
        assert not message.HasField("connection")


def test_unknown_ends_can_be_told_by_name() -> None:
    """For an OAP without Kubernetes, to which an address is an error."""
    with Recorder() as oap:
        send_records([oap.address], DIFFERENT, unknown_end="name")
    addresses = {message.connection.remote.WhichOneof("address") for message in oap.messages if message.connection}
    names = {message.connection.remote.kubernetes.serviceName for message in oap.messages}
    assert addresses - {None} == {"kubernetes"}
    assert names - {""} == {"fd00::3", "curl"}
