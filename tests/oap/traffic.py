"""Messages for an OAP: generated ones in which every figure differs, and captured ones of another agent."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.wire import messages

VECTORS = Path(__file__).parents[1] / "wire/vectors"
SECOND_NS, MILLISECOND_NS = 10**9, 10**6
STATUSES = (200, 200, 200, 201, 204, 302, 404, 500, 503, 101)
ROUTES = (("web", "cart"), ("web", "pay"), ("cart", "stock"), ("pay", "bank"))


def stamp(offset_ns: int) -> Any:
    """A time since the boot."""
    return messages.new("Timestamp", offset={"offset": offset_ns})


def address(service: str, pod: str) -> Any:
    """An end that goes by its names."""
    return messages.new("Address", kubernetes={"serviceName": service, "podName": pod, "port": 80})


def generated(count: int, seed: int = 7) -> Iterator[Any]:
    """`count` exchanges with their operations, seen from either side at random, within the last minutes but one."""
    chance = random.Random(seed)
    boot_s = int(time.time()) // 60 * 60 - 86_400
    node = messages.new("Node", name="node-a", bootTime={"seconds": boot_s, "nanos": 5})
    for number in range(count):
        start_ns = (86_400 - 180 + chance.randrange(120)) * SECOND_NS + chance.randrange(SECOND_NS)
        client, server = chance.choice(ROUTES)
        ends = [address(client, f"{client}-{chance.randrange(2)}"), address(server, f"{server}-{chance.randrange(2)}")]
        role = chance.randrange(2)
        if role:
            ends.reverse()
        latency_ns = int(chance.lognormvariate(3, 1.6) * MILLISECOND_NS)
        connection = messages.new("Connection", local=ends[0], remote=ends[1], role=role, protocol=1 + number % 2)
        message = messages.new("AccessLog", node=None if number else node, connection=connection)
        message.kernelLogs.extend(_operations(chance, start_ns))
        message.protocolLog.http.CopyFrom(
            messages.new(
                "Http",
                startTime=stamp(start_ns),
                endTime=stamp(start_ns + latency_ns),
                request={
                    "method": chance.randrange(5),
                    "path": f"/item/{chance.randrange(3)}",
                    "sizeOfHeadersBytes": chance.randrange(1, 1000),
                    "sizeOfBodyBytes": chance.randrange(10_000),
                },
                response={
                    "statusCode": chance.choice(STATUSES),
                    "sizeOfHeadersBytes": chance.randrange(1, 1000),
                    "sizeOfBodyBytes": chance.randrange(100_000),
                },
            )
        )
        yield message


def _operations(chance: random.Random, start_ns: int) -> Iterator[Any]:
    def times() -> dict[str, Any]:
        begin = start_ns + chance.randrange(1000)
        return {"startTime": stamp(begin), "endTime": stamp(begin + chance.randrange(1, 10**6))}

    for kind in ("write", "read"):
        message = messages.new(kind.capitalize(), **times())
        for part in ("l4Metrics", "l3Metrics", "l2Metrics"):
            metrics = getattr(message, part)
            for field in metrics.DESCRIPTOR.fields:
                if field.message_type is None:
                    setattr(metrics, field.name, chance.randrange(100_000))
        yield messages.new("KernelLog", **{kind: message})
    life = chance.choice(("connect", "accept", "close", None))
    if life is not None:
        success = {} if life == "accept" else {"success": chance.random() < 0.7}
        yield messages.new("KernelLog", **{life: messages.new(life.capitalize(), **times(), **success)})


def _shift_s(stream: list[Any]) -> int:
    """From the time of the capture to now: OAP has no tables for days before its start."""
    log = stream[0].kernelLogs[0]
    offset_ns = int(getattr(log, log.WhichOneof("operation")).startTime.offset.offset)
    return int(time.time()) - 120 - int(stream[0].node.bootTime.seconds) - offset_ns // SECOND_NS


def captured() -> list[Any]:
    """The stream of an unmodified Apache SkyWalking Rover; its addresses are given names."""
    data, found = (VECTORS / "20-whole-stream.lp").read_bytes(), []
    while data:
        length = int.from_bytes(data[:4], "little")
        found.append(messages.read("AccessLog", data[4 : 4 + length]))
        data = data[4 + length :]
    found[0].node.bootTime.seconds += _shift_s(found)
    for message in found:
        for end in (message.connection.local, message.connection.remote) if message.HasField("connection") else ():
            if end.WhichOneof("address") == "ip":
                host, port = end.ip.host, end.ip.port
                end.kubernetes.CopyFrom(messages.new("Kubernetes", serviceName=f"host-{host}", port=port))
    return found
