"""A reader of protocol-buffer messages that knows nothing but the wire and the tables of OAP's protocol.

Neither generated classes nor the protobuf library stand between a test and the bytes: a field with another number or
wire type, with a value that its type cannot hold, a second time or at the wrong place is an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Message, then number, type and name of each field. `*`: repeated. `|`: member of the message's oneof.
TABLES = """
EBPFAccessLogMessage: 1 EBPFAccessLogNodeInfo node; 2 AccessLogConnection connection;
    3 AccessLogKernelLog* kernelLogs; 4 AccessLogProtocolLogs protocolLog
EBPFAccessLogNodeInfo: 1 string name; 2 EBPFAccessLogNodeNetInterface* netInterfaces; 3 Instant bootTime;
    4 string clusterName; 5 EBPFAccessLogPolicy policy
EBPFAccessLogPolicy: 1 string* excludeNamespaces
EBPFAccessLogNodeNetInterface: 1 int32 index; 2 int32 mtu; 3 string name
Instant: 1 int64 seconds; 2 int32 nanos
AccessLogConnection: 1 ConnectionAddress local; 2 ConnectionAddress remote; 3 enum:2 role; 4 enum:1 tlsMode;
    5 enum:2 protocol; 6 ConnectionAttachment attachment
ConnectionAttachment: |1 ZTunnelAttachmentEnvironment zTunnel
ZTunnelAttachmentEnvironment: 1 string real_destination_ip; 2 enum:1 by; 3 enum:1 security_policy
ConnectionAddress: |1 KubernetesProcessAddress kubernetes; |2 IPAddress ip
KubernetesProcessAddress: 1 string serviceName; 2 string podName; 3 string containerName; 4 string processName;
    5 int32 port
IPAddress: 1 string host; 2 int32 port
AccessLogKernelLog: |1 AccessLogKernelConnectOperation connect; |2 AccessLogKernelAcceptOperation accept;
    |3 AccessLogKernelCloseOperation close; |4 AccessLogKernelReadOperation read;
    |5 AccessLogKernelWriteOperation write
AccessLogProtocolLogs: |1 AccessLogHTTPProtocol http
AccessLogHTTPProtocol: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime; 3 enum:1 version;
    4 AccessLogHTTPProtocolRequest request; 5 AccessLogHTTPProtocolResponse response
AccessLogHTTPProtocolRequest: 1 enum:8 method; 2 string path; 3 uint64 sizeOfHeadersBytes; 4 uint64 sizeOfBodyBytes;
    5 AccessLogTraceInfo trace; 6 string host
AccessLogHTTPProtocolResponse: 1 int32 statusCode; 3 uint64 sizeOfHeadersBytes; 4 uint64 sizeOfBodyBytes
AccessLogTraceInfo: 1 enum:1 provider; 2 string traceId; 3 string traceSegmentId; 4 string spanId
AccessLogKernelConnectOperation: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime; 3 bool success
AccessLogKernelAcceptOperation: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime
AccessLogKernelCloseOperation: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime; 3 bool success
AccessLogKernelWriteOperation: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime; 3 enum:7 syscall;
    4 AccessLogKernelWriteL4Metrics l4Metrics; 5 AccessLogKernelWriteL3Metrics l3Metrics;
    6 AccessLogKernelWriteL2Metrics l2Metrics
AccessLogKernelWriteL4Metrics: 1 uint64 totalDuration; 2 int64 totalTransmitPackageCount;
    3 int64 totalRetransmitPackageCount; 4 AccessLogLossPackageMetrics* lossPackageMetrics; 5 int64 totalPackageSize
AccessLogLossPackageMetrics: 1 string location; 2 int32 count
AccessLogKernelWriteL3Metrics: 1 uint64 totalDuration; 2 uint64 totalLocalDuration; 3 uint64 totalOutputDuration;
    5 uint64 totalResolveMACCount; 6 uint64 totalResolveMACDuration; 7 uint64 totalNetFilterCount;
    8 uint64 totalNetFilterDuration
AccessLogKernelWriteL2Metrics: 1 uint64 totalDuration; 2 uint32 ifindex; 3 uint64 totalEnterQueueBufferCount;
    4 uint64 totalReadySendDuration; 5 uint64 totalNetDeviceSendDuration
AccessLogKernelReadOperation: 1 EBPFTimestamp startTime; 2 EBPFTimestamp endTime; 3 enum:5 syscall;
    4 AccessLogKernelReadL2Metrics l2Metrics; 5 AccessLogKernelReadL3Metrics l3Metrics;
    6 AccessLogKernelReadL4Metrics l4Metrics
AccessLogKernelReadL2Metrics: 1 uint32 ifindex; 2 uint32 totalPackageCount; 3 uint64 totalPackageSize;
    4 uint64 totalPackageToQueueDuration; 5 uint64 totalRcvPackageFromQueueDuration
AccessLogKernelReadL3Metrics: 1 uint64 totalDuration; 2 uint64 totalRecvDuration; 3 uint64 totalLocalDuration;
    4 uint64 totalNetFilterCount; 5 uint64 totalNetFilterDuration
AccessLogKernelReadL4Metrics: 1 uint64 totalDuration
EBPFTimestamp: |1 EBPFOffsetTimestamp offset
EBPFOffsetTimestamp: 1 uint64 offset
"""

UNLISTED = 127
"""What rover gives an enumeration that has no value for the case."""

_BITS = {"bool": 1, "int32": 31, "uint32": 32, "int64": 63, "uint64": 64}
"""Of a value that is not negative: a negative one is nowhere meant in these messages."""


@dataclass(frozen=True)
class Kind:
    """What the table says of a field."""

    name: str
    type: str
    is_repeated: bool
    is_member: bool


def _tables() -> dict[str, dict[int, Kind]]:
    tables: dict[str, dict[int, Kind]] = {}
    for entry in TABLES.replace("\n    ", " ").strip().splitlines():
        message, _, fields = entry.partition(": ")
        kinds = tables[message] = {}
        for text in fields.split(";"):
            number, type_, name = text.split()
            kinds[int(number.removeprefix("|"))] = Kind(
                name, type_.removesuffix("*"), type_.endswith("*"), number.startswith("|")
            )
    return tables


KINDS = _tables()


class WireError(Exception):
    """The bytes are not what the tables allow; says where."""


@dataclass
class Reader:
    """Reads messages and remembers which fields of which message it has met."""

    met: set[tuple[str, str]] = field(default_factory=set)

    def read(self, message: str, data: bytes) -> dict[str, Any]:
        """The fields by name: integers, text, nested dicts, lists of them where they repeat."""
        found: dict[str, Any] = {}
        before = 0
        for number, value in _fields(message, data):
            kind = KINDS[message].get(number)
            place = f"{message}.{kind.name if kind else number}"
            if kind is None:
                raise WireError(f"{place}: no such field")
            if number < before or (number == before and not kind.is_repeated):
                raise WireError(f"{place}: out of order, or twice")
            if kind.is_member and found:
                raise WireError(f"{place}: beside {next(iter(found))}, of which one only may be there")
            before = number
            item = self._value(place, kind, value)
            self.met.add((message, kind.name))
            if kind.is_repeated:
                found.setdefault(kind.name, []).append(item)
            else:
                found[kind.name] = item
        return found

    def _value(self, place: str, kind: Kind, value: int | bytes) -> Any:
        if kind.type in KINDS:
            if isinstance(value, int):
                raise WireError(f"{place}: a number where a message belongs")
            return self.read(kind.type, value)
        if kind.type == "string":
            if isinstance(value, int) or not value:
                raise WireError(f"{place}: not a text, or an empty one")
            return value.decode()
        if isinstance(value, bytes):
            raise WireError(f"{place}: bytes where a number belongs")
        if not value:
            raise WireError(f"{place}: a zero is not written")
        name, _, most = kind.type.partition(":")
        if name == "enum":
            if value > int(most) and value != UNLISTED:
                raise WireError(f"{place}: {value} is no value of the enumeration")
        elif value >> _BITS[name]:
            raise WireError(f"{place}: {value} does not fit {name}")
        return value


def _fields(message: str, data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(message, data, at)
        number, wire_type = tag >> 3, tag & 7
        value, at = _varint(message, data, at)
        match wire_type:
            case 0:
                yield number, value
            case 2:
                content = data[at : at + value]
                if len(content) < value:
                    raise WireError(f"{message}.{number}: ends early")
                at += value
                yield number, content
            case _:
                raise WireError(f"{message}.{number}: wire type {wire_type} is used by none of these messages")


def _varint(message: str, data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    for end in range(at, min(at + 10, len(data))):
        byte = data[end]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte == 0 and end > at:
                raise WireError(f"{message}: a number longer than it need be")
            return value, end + 1
    raise WireError(f"{message}: an unfinished number")
