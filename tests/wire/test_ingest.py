"""rover's gRPC server, called by grpcio in the ways that agents are known to call."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.wire import messages
from tests.wire.programs import BUILD_SECONDS, Receiver, send_records

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

VECTORS = Path(__file__).parent / "vectors"

RECORD_KEYS = {
    *("id", "time", "start_ns", "end_ns", "duration_ns", "first_byte_ns", "side", "protocol", "kind", "tls"),
    *("method", "scheme", "host", "path", "query", "status", "interim", "grpc", "request", "response"),
    *("local", "remote", "connection", "kernel", "timeline", "trace", "flags"),
}
"""Every member of a record, whichever way it came."""


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def captured_stream() -> list[bytes]:
    """The messages of a whole stream of the reference agent."""
    data, found = vector("20-whole-stream.lp"), []
    while data:
        length = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(receiver.address) as channel:
        yield channel


def collect(channel: grpc.Channel, stream: Iterable[bytes], **options: Any) -> bytes:
    """Call `collect` with messages as they are, byte by byte."""
    call: Callable[..., bytes] = channel.stream_unary(f"/{messages.PACKAGE}.EBPFAccessLogService/collect")
    return call(iter(stream), timeout=20, **options)


def ask(channel: grpc.Channel, path: str, request: Any, answer: str, **options: Any) -> Any:
    """A unary call."""
    return messages.read(answer, channel.unary_unary(path)(request.SerializeToString(), timeout=20, **options))


def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_a_captured_stream_becomes_rows(receiver: Receiver, channel: grpc.Channel) -> None:
    """Node and connection come once, with the first of twenty exchanges."""
    assert collect(channel, captured_stream()) == b""
    rows = [receiver.row() for _ in range(20)]
    assert len({row["id"] for row in rows}) == 20
    for row in rows:
        assert row["record"].keys() == RECORD_KEYS
        assert row["record"]["id"] == row["id"]
        assert (row["side"], row["service"], row["kind"]) == ("server", "web.demo", "http")
        assert row["record"]["remote"]["address"] == "10.9.0.3"
        assert row["record"]["time"].startswith("2026-11-21T")
        assert row["duration_ns"] == row["record"]["end_ns"] - row["record"]["start_ns"]
    assert receiver.end()["messages"] == 20


def test_a_node_alone_may_come_first(receiver: Receiver, channel: grpc.Channel) -> None:
    """Then connections, loose kernel logs and exchanges in any mixture."""
    first = messages.read("AccessLog", vector("01-node-conn-accept.bin"))
    node = messages.new("AccessLog", node=first.node).SerializeToString()
    first.ClearField("node")
    names = ("02-http1-get-200.bin", "15-close-only.bin", "11-http1-204.bin")
    collect(channel, [node, first.SerializeToString(), *map(vector, names)])
    rows = [receiver.row() for _ in range(4)]
    assert [row["record"]["remote"]["port"] for row in rows if row["kind"] != "activity"] == [59970, 43728]
    counters = receiver.end()
    assert (counters["messages"], counters["rows"]) == (5, 2)
    assert (counters["without_logs"], counters["kernel_only"], counters["kernel_logs"]) == (1, 2, 2)


def test_what_comes_without_any_connection_is_counted(receiver: Receiver, channel: grpc.Channel) -> None:
    """An exchange or a close that cannot be booked on anything."""
    close = messages.read("AccessLog", vector("15-close-only.bin"))
    close.ClearField("connection")
    collect(channel, [vector("02-http1-get-200.bin"), close.SerializeToString()])
    counters = receiver.end()
    assert (counters["unattributed"], counters["kernel_only"], counters["kernel_logs"]) == (2, 0, 0)


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("01-node-conn-accept.bin", 1),
        ("15-close-only.bin", 1),
        ("16-tls-as-plain-tcp-kernel-logs.bin", 10),
        ("18-client-role-connect.bin", 1),
        ("19-both-ends-kubernetes.bin", 1),
    ],
)
def test_what_connections_do_besides_exchanges_is_taken_and_counted(
    receiver: Receiver, channel: grpc.Channel, name: str, logs: int
) -> None:
    """As the reference agent sends it; no exchange is made of it."""
    assert collect(channel, [vector(name)]) == b""
    counters = receiver.end()
    assert (counters["rows"], counters["kernel_only"], counters["kernel_logs"]) == (0, 1, logs)


def test_rovers_own_activities_come_between_its_records(receiver: Receiver) -> None:
    """As rows of their own kind, each with an id."""
    sent = send_records([receiver.address], 3, layers=True)
    assert (sent.stats["acked"], sent.stats["activities"], sent.is_balanced) == (9, 4, True)
    rows = [receiver.row() for _ in range(9)]
    paths = [row["path"] for row in rows if row["kind"] != "activity"]
    assert paths == ["/item/0", "/item/1", "/item/2", "/layers", "/layers"]
    assert len({row["id"] for row in rows if row["kind"] == "activity"}) == 4
    counters = receiver.end()
    assert (counters["rows"], counters["kernel_only"], counters["unattributed"]) == (5, 4, 0)
    assert counters["kernel_logs"] == 0


def test_fields_and_numbers_from_the_future_are_passed_by(receiver: Receiver, channel: grpc.Channel) -> None:
    """Newer agents send more than is known here."""
    message = messages.read("AccessLog", vector("01-node-conn-accept.bin"))
    message.MergeFromString(vector("02-http1-get-200.bin"))
    message.connection.protocol = 9
    message.protocolLog.http.request.method = 9
    message.kernelLogs[1].read.syscall = 99
    data = message.SerializeToString() + bytes([0x9A, 0x7D, 3]) + b"new" + bytes([0xA0, 0x7D, 1])
    collect(channel, [data])
    row = receiver.row()
    assert (row["method"], row["path"], row["status"]) == (None, "/s1w/item/1", 200)


@pytest.mark.parametrize("garbage", [b"\xff" * 40, vector("02-http1-get-200.bin")[:-5], b"\x0a\xff\xff\xff\xff\x7f"])
def test_what_is_no_message_ends_its_stream_only(receiver: Receiver, channel: grpc.Channel, garbage: bytes) -> None:
    """Rows of the messages before it are kept, and the server goes on."""
    code_of(lambda: collect(channel, [*captured_stream()[:2], garbage]))
    collect(channel, captured_stream()[:1])
    assert [receiver.row()["status"] for _ in range(3)] == [200, 200, 200]
    counters = receiver.end()
    assert (counters["broken_streams"], counters["open_streams"]) == (1, 0)


def test_a_cancelled_stream_keeps_what_came(receiver: Receiver, channel: grpc.Channel) -> None:
    """An agent that dies in the middle of a stream."""
    stream = captured_stream()
    call = channel.stream_unary(f"/{messages.PACKAGE}.EBPFAccessLogService/collect")

    def messages_until_seen() -> Iterator[bytes]:
        yield stream[0]
        assert receiver.row()["status"] == 200
        future.cancel()

    future = call.future(messages_until_seen(), timeout=20)
    with pytest.raises(grpc.FutureCancelledError):
        future.result()
    collect(channel, stream[:1])
    assert receiver.row()["status"] == 200


def test_the_token_is_asked_for() -> None:
    """PERMISSION_DENIED without a word, for streams and calls."""
    with Receiver(token="secret") as receiver, grpc.insecure_channel(receiver.address) as channel:
        report = f"/{messages.PACKAGE}.EBPFProcessService/reportProcesses"
        for metadata in ([], [("authentication", "Secret")], [("authorization", "secret")]):
            for call in (
                lambda metadata=metadata: collect(channel, [], metadata=metadata),
                lambda metadata=metadata: ask(
                    channel, report, messages.new("ProcessReports"), "ProcessAnswers", metadata=metadata
                ),
            ):
                assert code_of(call) == grpc.StatusCode.PERMISSION_DENIED
        collect(channel, captured_stream(), metadata=[("authentication", "secret")])
        assert receiver.row()["status"] == 200
        assert receiver.end()["denied"] == 6


def test_captured_processes_are_answered_by_pid_and_entity(channel: grpc.Channel) -> None:
    """The reference agent ignores for good what is not answered with its own pid and entity."""
    request = messages.read("ProcessReports", vector("30-process-report.bin"))
    path = f"/{messages.PACKAGE}.EBPFProcessService/"
    answer = ask(channel, path + "reportProcesses", request, "ProcessAnswers")
    assert len({process.processId for process in answer.processes}) == len(request.processes) == 2
    for sent, known in zip(request.processes, answer.processes, strict=True):
        assert known.k8sProcess.pid == sent.k8sProcess.pid
        assert known.k8sProcess.entityMetadata == sent.k8sProcess.entity
    again = ask(channel, path + "reportProcesses", request, "ProcessAnswers")
    assert again == answer
    ping = messages.read("Pings", vector("31-process-keepalive.bin"))
    assert messages.tree(ask(channel, path + "keepAlive", ping, "Commands")) == {}


@pytest.mark.parametrize(
    ("path", "request_kind"),
    [
        ("skywalking.v3.EBPFProfilingService/queryTasks", "TaskQuery"),
        ("skywalking.v3.ContinuousProfilingService/queryPolicies", "PolicyQuery"),
        ("skywalking.v3.ManagementService/reportInstanceProperties", "InstanceProperties"),
        ("skywalking.v3.ManagementService/keepAlive", "InstancePing"),
        ("ManagementService/reportInstanceProperties", "InstanceProperties"),
        ("ManagementService/keepAlive", "InstancePing"),
    ],
)
def test_agents_that_poll_find_nothing_to_do(channel: grpc.Channel, path: str, request_kind: str) -> None:
    """An unmodified agent polls these, old ones without a package."""
    assert messages.tree(ask(channel, f"/{path}", messages.new(request_kind), "Commands")) == {}


def test_other_calls_are_unimplemented(channel: grpc.Channel) -> None:
    """So that an agent knows to stop."""
    path = f"/{messages.PACKAGE}.MeterReportService/collectBatch"
    call = channel.stream_unary(path)
    assert code_of(lambda: call(iter([b""]), timeout=20)) == grpc.StatusCode.UNIMPLEMENTED


def test_rovers_own_records_come_through_unchanged(receiver: Receiver) -> None:
    """Reporter and server of rover, over the wire."""
    sent = send_records([receiver.address], 240)
    assert (sent.stats["acked"], sent.is_balanced) == (240, True)
    rows = [receiver.row() for _ in range(240)]
    assert [row["record"]["id"][-8:] for row in rows] == [f"{number:08x}" for number in range(240)]
    for row in rows:
        assert row["record"].keys() == RECORD_KEYS
        assert row["flags"] == ",".join(row["record"]["flags"])
        assert row["request_bytes"] == row["record"]["request"]["bytes"] == 90
    assert rows[1]["method"] == "PROPFIND"
    assert receiver.end()["invalid_records"] == 0


def test_a_forged_record_is_counted_not_stored(receiver: Receiver, channel: grpc.Channel) -> None:
    """Anyone may call; what has not the shape of a record goes no further."""
    forged = ["{}", "x", json.dumps({"id": "1", "time": "now"}), json.dumps([1]), '{"id":"' + "9" * 100_000]
    collect(channel, [messages.new("AccessLog", rover_record=text).SerializeToString() for text in forged])
    counters = receiver.end()
    assert (counters["invalid_records"], counters["rows"]) == (len(forged), 0)
