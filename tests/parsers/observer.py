"""The observers of `parsers/`, driven through their example programs."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]

Direction = Literal["request", "response"]


@dataclass(frozen=True)
class Seen:
    """Bytes of one operation."""

    direction: Direction
    data: bytes


@dataclass(frozen=True)
class Missed:
    """Bytes that nobody saw."""

    direction: Direction
    length: int


@dataclass(frozen=True)
class Message:
    """A message as both the observer and the judge tell it."""

    start: tuple[str, ...]
    """Method and target, or status."""
    version: str
    body_bytes: int
    keep_alive: bool
    kept: tuple[tuple[str, str], ...] = ()
    """The header that the example program keeps, `x-kept`."""


class Observer:
    """A running example program; each call of `observe` is a connection of its own."""

    def __init__(self, program: str = "observe") -> None:
        build = ["cargo", "build", "--quiet", "--package", "rover-parsers", "--example", program]
        target = subprocess.run(
            ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(build, cwd=ROOT, check=True)
        path = Path(json.loads(target.stdout)["target_directory"]) / "debug" / "examples" / program
        self._process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def observe(self, operations: Iterable[Seen | Missed], *, joining: bool = False) -> list[dict[str, Any]]:
        """What is told about a connection of these operations, its end included.

        `joining`: its beginning is missing (HTTP/2 only)."""
        blocks = [b"joining\n"] if joining else []
        for operation in operations:
            match operation:
                case Seen(direction, data):
                    blocks.append(b"%s %d\n%s" % (direction.encode(), len(data), data))
                case Missed(direction, length):
                    blocks.append(b"%s-gap %d\n" % (direction.encode(), length))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"".join(blocks) + b"close\n")
        self._process.stdin.flush()
        told: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        """End the program."""
        self._process.communicate(timeout=10)
        assert self._process.returncode == 0


def messages(told: list[dict[str, Any]], direction: Direction) -> list[Message]:
    """The complete messages of one direction, interim responses included."""
    found = []
    head: dict[str, Any] = {}
    for event in (event for event in told if event["direction"] == direction):
        match event["event"]:
            case "head":
                head = event
            case "interim":
                found.append(Message((str(event["status"]),), "1.1", 0, keep_alive=True))
            case "complete" if event["complete"]:
                found.append(_message(head, event))
    return found


def _message(head: dict[str, Any], end: dict[str, Any]) -> Message:
    if head["method"] is None:
        start: tuple[str, ...] = (str(head["status"]),)
    else:
        query = "" if head["query"] is None else f"?{head['query']}"
        target = head["host"] if head["path"] is None else head["path"] + query
        start = (head["method"], target)
    return Message(start, head["version"], end["body_bytes"], head["keep_alive"], tuple(head["headers"].items()))
