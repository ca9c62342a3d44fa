"""Messages of rover byte by byte, read by the tables of OAP's protocol: exchanges, and what else connections do."""

from pathlib import Path
from typing import Any

import pytest

from tests.wire.fields import KINDS, Reader, WireError
from tests.wire.programs import BUILD_SECONDS, Sent, send_records
from tests.wire.recorder import Recorder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_SECONDS)]

MESSAGE = "EBPFAccessLogMessage"
VECTORS = Path(__file__).parent / "vectors"
CAPTURED = sorted(path for path in VECTORS.glob("*.bin") if not path.name.startswith("3"))

NOT_SENT = {
    ("EBPFAccessLogNodeInfo", "policy"),
    ("EBPFAccessLogPolicy", "excludeNamespaces"),
    ("AccessLogConnection", "attachment"),
    ("ConnectionAttachment", "zTunnel"),
    ("ZTunnelAttachmentEnvironment", "real_destination_ip"),
    ("ZTunnelAttachmentEnvironment", "by"),
    ("ZTunnelAttachmentEnvironment", "security_policy"),
    # Only where a container is known; the captured messages have it.
    ("KubernetesProcessAddress", "containerName"),
}
"""Fields that the sender of these tests has no use for."""

WRITE_L4 = {
    "totalDuration": 104,
    "totalTransmitPackageCount": 101,
    "totalRetransmitPackageCount": 103,
    "lossPackageMetrics": [
        {"location": "nf_hook_slow:NETFILTER_DROP", "count": 2},
        {"location": "__dev_queue_xmit:QDISC_DROP", "count": 1},
    ],
    "totalPackageSize": 210,
}
WRITE_L3 = {
    "totalDuration": 105,
    "totalLocalDuration": 106,
    "totalOutputDuration": 107,
    "totalResolveMACCount": 114,
    "totalResolveMACDuration": 115,
    "totalNetFilterCount": 112,
    "totalNetFilterDuration": 113,
}
WRITE_L2 = {
    "totalDuration": 108,
    "ifindex": 2,
    "totalEnterQueueBufferCount": 111,
    "totalReadySendDuration": 109,
    "totalNetDeviceSendDuration": 110,
}
READ_L2 = {
    "ifindex": 3,
    "totalPackageCount": 201,
    "totalPackageSize": 90,
    "totalPackageToQueueDuration": 203,
    "totalRcvPackageFromQueueDuration": 204,
}
READ_L3 = {
    "totalDuration": 205,
    "totalRecvDuration": 206,
    "totalLocalDuration": 207,
    "totalNetFilterCount": 209,
    "totalNetFilterDuration": 210,
}
"""Every figure of the sample has a number of its own: one that goes to the wrong field shows."""


def at(offset: int) -> dict[str, Any]:
    return {"offset": {"offset": offset}}


def times(start: int, end: int) -> dict[str, Any]:
    return {"startTime": at(start), "endTime": at(end)}


@pytest.mark.parametrize("vector", CAPTURED, ids=lambda path: path.stem)
def test_the_tables_read_what_the_reference_agent_sends(vector: Path) -> None:
    """The judge is judged first."""
    Reader().read(MESSAGE, vector.read_bytes())


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\x08\x01", "a number where a message belongs"),
        (b"\x2a\x00", "no such field"),
        (b"\x22\x00\x12\x00", "out of order"),
        (b"\x12\x00\x12\x00", "twice"),
        (b"\x1a\x04\x22\x00\x2a\x00", "one only"),
        (b"\x12\x02\x18\x00", "zero is not written"),
        (b"\x12\x02\x18\x03", "no value of the enumeration"),
        (b"\x12\x02\x1a\x00", "bytes where a number belongs"),
        (b"\x1a\x0a\x22\x08\x22\x06\x08\x80\x80\x80\x80\x10", "does not fit uint32"),
        (b"\x1a\x0f\x2a\x0d\x22\x0b\x28" + b"\xff" * 9 + b"\x01", "does not fit int64"),
        (b"\x12\x81\x00\x00", "longer than it need be"),
        (b"\x12\x05\x18", "ends early"),
        (b"\x15\x00\x00\x00\x00", "wire type 5"),
        (b"\x12", "unfinished"),
    ],
)
def test_the_reader_refuses_what_the_tables_do_not_allow(data: bytes, complaint: str) -> None:
    """A judge that cannot say no is none."""
    with pytest.raises(WireError, match=complaint):
        Reader().read(MESSAGE, data)


@pytest.fixture(scope="module")
def received() -> tuple[Sent, list[bytes]]:
    """One run of the sender: twelve records, the one with all figures, four activities, a record again."""
    with Recorder() as oap:
        # Every end has a name, so messages of a connection may inherit it.
        sent = send_records([oap.address], 12, layers=True, unknown_end="name", cluster_name="cl")
        with_addresses = send_records([oap.address], 1, layers=True)
    assert sent.is_balanced
    assert with_addresses.is_balanced
    return sent, oap.raw


def layered(received: tuple[Sent, list[bytes]]) -> list[dict[str, Any]]:
    """The six messages of the first run that follow the twelve records: of these one is unfinished and not sent."""
    return [Reader().read(MESSAGE, data) for data in received[1][11:17]]


def test_every_field_of_the_tables_is_sent_and_nothing_else(received: tuple[Sent, list[bytes]]) -> None:
    """Numbers, wire types, ranges and order of all messages, exchanges and activities."""
    reader = Reader()
    for data in received[1]:
        reader.read(MESSAGE, data)
    known = {(message, kind.name) for message, kinds in KINDS.items() for kind in kinds.values()}
    assert known - reader.met == NOT_SENT


def test_an_exchange_has_the_figures_of_every_layer(received: tuple[Sent, list[bytes]]) -> None:
    """The read from L2 up, the write from L4 down."""
    exchange, *_ = layered(received)
    assert exchange["kernelLogs"] == [
        {
            "read": {
                **times(990_000, 1_000_000),
                "syscall": 3,
                "l2Metrics": READ_L2,
                "l3Metrics": READ_L3,
                "l4Metrics": {"totalDuration": 208},
            }
        },
        {
            "write": {
                **times(2_460_000, 2_500_000),
                "syscall": 1,
                "l4Metrics": WRITE_L4,
                "l3Metrics": WRITE_L3,
                "l2Metrics": WRITE_L2,
            }
        },
    ]
    assert exchange["protocolLog"]["http"]["request"]["path"] == "/layers"


def test_an_activity_tells_opening_operations_and_closing(received: tuple[Sent, list[bytes]]) -> None:
    """Two reads and three writes, of which only sums are known: as many logs, and the sums in them."""
    activity = layered(received)[1]
    assert activity.keys() == {"connection", "kernelLogs"}
    assert activity["connection"] == {
        "local": {
            "kubernetes": {
                "serviceName": "nginx",
                "podName": "nginx@node-a",
                "processName": "nginx",
                "port": 80,
            }
        },
        # Client and plain TCP are zeros.
        "remote": {"kubernetes": {"serviceName": "fd00::3", "port": 59970}},
    }
    opening, *operations, closing = activity["kernelLogs"]
    assert opening == {"connect": {**times(400_000, 450_000), "success": 1}}
    assert closing == {"close": {**times(3_000_000, 3_020_000), "success": 1}}
    reads, writes = operations[:2], operations[2:]
    assert [log.keys() for log in operations] == [{"read"}] * 2 + [{"write"}] * 3
    assert totals(log["read"]["l2Metrics"] for log in reads) == {**READ_L2, "ifindex": 6}
    assert totals(log["read"]["l3Metrics"] for log in reads) == READ_L3
    assert totals(log["read"]["l4Metrics"] for log in reads) == {"totalDuration": 208}
    assert totals(log["write"]["l4Metrics"] for log in writes) == {
        name: figure for name, figure in WRITE_L4.items() if name != "lossPackageMetrics"
    }
    assert totals(log["write"]["l3Metrics"] for log in writes) == WRITE_L3
    assert totals(log["write"]["l2Metrics"] for log in writes) == {**WRITE_L2, "ifindex": 6}
    for log in operations:
        ((kind, operation),) = log.items()
        is_write = kind == "write"
        assert operation["startTime"] == at(2_460_000 if is_write else 990_000)
        assert operation["endTime"] == at(2_500_000 if is_write else 1_000_000)
        assert operation["syscall"] == (1 if is_write else 3)


def totals(layers: Any) -> dict[str, int]:
    """Figures of several operations, added up as OAP does."""
    sums: dict[str, int] = {}
    for layer in layers:
        for name, figure in layer.items():
            sums[name] = sums.get(name, 0) + figure
    return sums


def test_an_accepted_connection_tells_its_side_tls_and_protocol(received: tuple[Sent, list[bytes]]) -> None:
    """Neither side nor protocol nor TLS is a guess of the backend."""
    activity = layered(received)[2]
    connection = activity["connection"]
    assert (connection["role"], connection["tlsMode"], connection["protocol"]) == (1, 1, 2)
    assert activity["kernelLogs"] == [{"accept": times(400_000, 450_000)}]


def test_a_connect_that_failed_is_no_success(received: tuple[Sent, list[bytes]]) -> None:
    """OAP counts `connect` and `connect_success` apart."""
    assert layered(received)[3]["kernelLogs"] == [{"connect": times(400_000, 450_000)}]


def test_many_operations_share_logs_and_their_calls_are_counted(received: tuple[Sent, list[bytes]]) -> None:
    """Bytes and packets stay whole, times those of one operation: under a nanosecond here, so none is written."""
    sent, _ = received
    busy = layered(received)[4]
    logs = busy["kernelLogs"]
    assert sent.stats["merged_calls"] == 200_000 - len(logs)
    reads, writes = ([log[kind] for log in logs if kind in log] for kind in ("read", "write"))
    assert totals(read["l2Metrics"] for read in reads)["totalPackageSize"] == 90
    assert totals(read["l2Metrics"] for read in reads)["totalPackageCount"] == 201
    assert totals(write["l4Metrics"] for write in writes) == {
        "totalTransmitPackageCount": 101,
        "totalRetransmitPackageCount": 103,
        "totalPackageSize": 210,
    }
    assert totals(write["l3Metrics"] for write in writes) == {
        name: WRITE_L3[name]
        for name in (
            "totalResolveMACCount",
            "totalResolveMACDuration",
            "totalNetFilterCount",
            "totalNetFilterDuration",
        )
    }


def test_activities_tell_their_connection_and_nothing_inherits_it(received: tuple[Sent, list[bytes]]) -> None:
    """OAP books a message without connection on the one before, with its protocol."""
    before, *activities, after = layered(received)
    assert all("connection" in activity and "protocolLog" not in activity for activity in activities)
    assert (before["connection"]["protocol"], after["connection"]["protocol"]) == (1, 2)
    assert after["protocolLog"]["http"]["request"]["sizeOfBodyBytes"] == 77
    assert received[0].stats["activities"] == 4
