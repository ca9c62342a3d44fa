"""rover's ends of the wire as processes: the example programs of the crates `reporters` and `ingest`."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.stage.deadline import wait_until

ROOT = Path(__file__).parents[2]

COLUMNS = (
    "id",
    "time_ns",
    "duration_ns",
    "first_byte_ns",
    "side",
    "protocol",
    "kind",
    "service",
    "instance",
    "peer_service",
    "method",
    "host",
    "path",
    "status",
    "request_bytes",
    "response_bytes",
    "flags",
    "record",
)
"""A row, as the store gets it."""


BUILD_SECONDS = 900
"""Time limit of a test that may have to build the programs first, on a machine that builds other things too."""


@cache
def programs_folder() -> Path:
    """Where the example programs are, built if they are not.

    The same selection of packages and profile as `make test` has for `cargo test`, so that mostly there is nothing to
    do: another selection would have other features and compile gRPC anew."""
    programs = ("--example", "send_records", "--example", "receive_rows", "--example", "send_spans")
    command = ("cargo", "build", "--release", "--quiet", "--locked", "--workspace", *programs)
    subprocess.run(command, cwd=ROOT, check=True, timeout=BUILD_SECONDS)
    return ROOT / "target/release/examples"


@dataclass(frozen=True)
class Sent:
    """What a run of the sender says about itself."""

    stats: dict[str, Any]

    @property
    def is_balanced(self) -> bool:
        """Whether every record is accounted for."""
        stats = self.stats
        accounted = stats["acked"] + stats["withheld"] + stats["held_records"] + stats["spooled_records"]
        return bool(stats["pushed"] + stats["recovered"] == accounted + sum(stats["dropped"].values()))


def send_records(
    addresses: Sequence[str],
    count: int,
    *,
    layers: bool = False,
    at_ns: int | None = None,
    rate: int | None = None,
    **options: Any,
) -> Sent:
    """Send `count` of the fixed records to the backends and wait until all is settled.

    `layers`: then a record with every figure of the kernel's layers, what connections do besides, and it again.
    `at_ns`: wall clock of all of them. `rate`: so many a second.
    """
    text = json.dumps({"addresses": addresses, "node_name": "node-a", **options})
    words = ["layers"] if layers else []
    words += [f"{name}={value}" for name, value in (("at", at_ns), ("rate", rate)) if value is not None]
    command = (str(programs_folder() / "send_records"), text, str(count), *words)
    done = subprocess.run(command, check=True, timeout=90, capture_output=True, text=True)
    return Sent(json.loads(done.stdout))


class Receiver:
    """rover's gRPC server without a store. A context manager; ended by closing its standard input."""

    def __init__(self, **options: Any) -> None:
        program = str(programs_folder() / "receive_rows")
        self._process = subprocess.Popen(
            (program, json.dumps(options)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self.address = self._lines.readline().strip()

    def row(self) -> dict[str, Any]:
        """The next row, its record parsed; waits for it."""
        row = dict(zip(COLUMNS, json.loads(self._lines.readline()), strict=True))
        row["record"] = json.loads(row["record"])
        return row

    def end(self) -> dict[str, Any]:
        """End the server; its counters. Rows that were not read are passed by."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        *_, counters = self._lines.read().splitlines()
        wait_until(lambda: self._process.poll() is not None, "end of the receiver")
        return dict(json.loads(counters))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._lines.close()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
