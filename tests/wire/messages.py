"""Message classes of SkyWalking's eBPF protocol, made at run time from the table below.

Written from the protocol's facts, apart from the .proto files that rover is built with, so that an error in one of them
shows. Enumerations are int32 here: on the wire they are the same, and a value outside the list stays visible.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

PACKAGE = "skywalking.v3"

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _FIELD.TYPE_BOOL,
    "enum": _FIELD.TYPE_INT32,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
}

# One line per message: name, then fields as NUMBER TYPE NAME; `[]` behind a type: repeated; `name/` before a number: a
# member of that oneof.
TABLE = """
Pair                    | 1 string key, 2 string value
Instant                 | 1 int64 seconds, 2 int32 nanos
Command                 | 1 string command, 2 Pair[] args
Commands                | 1 Command[] commands
AccessLog               | 1 Node node, 2 Connection connection, 3 KernelLog[] kernelLogs, 4 ProtocolLog protocolLog, 1000 string rover_record
Empty                   |
Node                    | 1 string name, 2 Interface[] netInterfaces, 3 Instant bootTime, 4 string clusterName, 5 Policy policy
Policy                  | 1 string[] excludeNamespaces
Interface               | 1 int32 index, 2 int32 mtu, 3 string name
Connection              | 1 Address local, 2 Address remote, 3 enum role, 4 enum tlsMode, 5 enum protocol, 6 Attachment attachment
Attachment              | environment/1 ZTunnel zTunnel
ZTunnel                 | 1 string real_destination_ip, 2 enum by, 3 enum security_policy, 4 Pair[] addition
Address                 | address/1 Kubernetes kubernetes, address/2 Ip ip
Kubernetes              | 1 string serviceName, 2 string podName, 3 string containerName, 4 string processName, 5 int32 port
Ip                      | 1 string host, 2 int32 port
KernelLog               | operation/1 Connect connect, operation/2 Accept accept, operation/3 Close close, operation/4 Read read, operation/5 Write write
Connect                 | 1 Timestamp startTime, 2 Timestamp endTime, 3 bool success
Accept                  | 1 Timestamp startTime, 2 Timestamp endTime
Close                   | 1 Timestamp startTime, 2 Timestamp endTime, 3 bool success
Write                   | 1 Timestamp startTime, 2 Timestamp endTime, 3 enum syscall, 4 WriteL4 l4Metrics, 5 WriteL3 l3Metrics, 6 WriteL2 l2Metrics
WriteL4                 | 1 uint64 totalDuration, 2 int64 totalTransmitPackageCount, 3 int64 totalRetransmitPackageCount, 4 Loss[] lossPackageMetrics, 5 int64 totalPackageSize
Loss                    | 1 string location, 2 int32 count
WriteL3                 | 1 uint64 totalDuration, 2 uint64 totalLocalDuration, 3 uint64 totalOutputDuration, 5 uint64 totalResolveMACCount, 6 uint64 totalResolveMACDuration, 7 uint64 totalNetFilterCount, 8 uint64 totalNetFilterDuration
WriteL2                 | 1 uint64 totalDuration, 2 uint32 ifindex, 3 uint64 totalEnterQueueBufferCount, 4 uint64 totalReadySendDuration, 5 uint64 totalNetDeviceSendDuration
Read                    | 1 Timestamp startTime, 2 Timestamp endTime, 3 enum syscall, 4 ReadL2 l2Metrics, 5 ReadL3 l3Metrics, 6 ReadL4 l4Metrics
ReadL2                  | 1 uint32 ifindex, 2 uint32 totalPackageCount, 3 uint64 totalPackageSize, 4 uint64 totalPackageToQueueDuration, 5 uint64 totalRcvPackageFromQueueDuration
ReadL3                  | 1 uint64 totalDuration, 2 uint64 totalRecvDuration, 3 uint64 totalLocalDuration, 4 uint64 totalNetFilterCount, 5 uint64 totalNetFilterDuration
ReadL4                  | 1 uint64 totalDuration
ProtocolLog             | protocol/1 Http http
Http                    | 1 Timestamp startTime, 2 Timestamp endTime, 3 enum version, 4 Request request, 5 Response response
Request                 | 1 enum method, 2 string path, 3 uint64 sizeOfHeadersBytes, 4 uint64 sizeOfBodyBytes, 5 Trace trace, 6 string host
Response                | 1 int32 statusCode, 3 uint64 sizeOfHeadersBytes, 4 uint64 sizeOfBodyBytes
Trace                   | 1 enum provider, 2 string traceId, 3 string traceSegmentId, 4 string spanId
Timestamp               | timestamp/1 Offset offset
Offset                  | 1 uint64 offset
ProcessReports          | 1 ProcessReport[] processes, 2 string ebpfAgentID
ProcessReport           | metadata/1 ProcessMetadata hostProcess, metadata/2 ProcessMetadata k8sProcess
ProcessMetadata         | 1 Entity entity, 2 int32 pid, 3 Pair[] properties
Entity                  | 1 string layer, 2 string serviceName, 3 string instanceName, 4 string processName, 5 string[] labels
ProcessAnswers          | 1 ProcessAnswer[] processes
ProcessAnswer           | 1 string processId, process/2 KnownProcess hostProcess, process/3 KnownProcess k8sProcess
KnownProcess            | 1 int32 pid, 2 Entity entityMetadata
Pings                   | 1 Ping[] processes, 2 string ebpfAgentID
Ping                    | 1 Entity entityMetadata, 2 Pair[] properties
InstanceProperties      | 1 string service, 2 string serviceInstance, 3 Pair[] properties, 4 string layer
InstancePing            | 1 string service, 2 string serviceInstance, 3 string layer
TaskQuery               | 1 string roverInstanceId, 2 int64 latestUpdateTime
PolicyQuery             | 1 ServicePolicyQuery[] policies
ServicePolicyQuery      | 1 string serviceName, 2 string uuid
"""  # noqa: E501

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT")
"""Names of the request methods by their numbers."""


def _classes() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="tests/wire.proto", package=PACKAGE, syntax="proto3")
    for line in TABLE.strip().splitlines():
        name, _, fields = line.partition("|")
        message = file.message_type.add(name=name.strip())
        for field in filter(None, map(str.strip, fields.split(","))):
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = (pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}") for message in file.message_type)
    return {descriptor.name: message_factory.GetMessageClass(descriptor) for descriptor in found}


def _add_field(message: descriptor_pb2.DescriptorProto, number: str, kind: str, name: str) -> None:
    group, _, number = number.rpartition("/")
    field = message.field.add(name=name, number=int(number), label=_FIELD.LABEL_OPTIONAL)
    if kind.endswith("[]"):
        field.label, kind = _FIELD.LABEL_REPEATED, kind.removesuffix("[]")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    if group:
        groups = [declared.name for declared in message.oneof_decl]
        if group not in groups:
            message.oneof_decl.add(name=group)
            groups.append(group)
        field.oneof_index = groups.index(group)


_CLASSES = _classes()


def new(kind: str, **fields: Any) -> Any:
    """A message of the table, its fields given as for a generated class (dicts for nested messages)."""
    return _CLASSES[kind](**fields)


def read(kind: str, data: bytes) -> Any:
    """The message in `data`."""
    return _CLASSES[kind].FromString(data)


def tree(message: Any) -> dict[str, Any]:
    """The fields that are present, nested, integers as integers."""
    text = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {name: _plain(value) for name, value in text.items()}


def _plain(value: Any) -> Any:
    # protobuf's JSON form writes 64-bit integers as text; no text field of these tests is a number.
    match value:
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case str() if value.lstrip("-").isdigit():
            return int(value)
        case _:
            return value


def unknown_fields(message: Any) -> list[int]:
    """Numbers of fields, at any depth, that the table does not know."""
    numbers = [field.field_number for field in UnknownFieldSet(message)]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            nested = value if descriptor.is_repeated else [value]
            numbers += [number for item in nested for number in unknown_fields(item)]
    return numbers
