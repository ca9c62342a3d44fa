"""How often one address may call a real backend, and what it tells of that."""

import re
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from tests.cli.running import Running
from tests.reporters.place import Place
from tests.wire import messages

REPORT = f"/{messages.PACKAGE}.EBPFProcessService/reportProcesses"


def code_of_call(channel: grpc.Channel) -> grpc.StatusCode:
    """What becomes of one call without content."""
    try:
        channel.unary_unary(REPORT)(b"", timeout=20)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def counted(place: Place, name: str) -> int:
    """A counter of the backend."""
    with urlopen(f"http://127.0.0.1:{place.http}/metrics", timeout=20) as answer:
        found = re.search(rf"^{name}_total (\d+)", answer.read().decode(), re.MULTILINE)
    assert found, name
    return int(found[1])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, [])


def backend(place: Place, **limits: float) -> Running:
    place.tree["backend"]["grpc"] |= limits
    return place.backend()


def test_who_calls_without_end_is_refused_and_counted(place: Place) -> None:
    """RESOURCE_EXHAUSTED after a burst of ten seconds' worth; what is refused is in a metric."""
    with backend(place, calls_per_second=2) as running:
        with grpc.insecure_channel(f"127.0.0.1:{place.grpc}") as channel:
            codes = [code_of_call(channel) for _ in range(60)]
        assert codes[:20] == [grpc.StatusCode.OK] * 20
        refused = codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert refused == 60 - codes.count(grpc.StatusCode.OK) > 0
        assert counted(place, "rover_ingest_limited_calls") == refused
        assert counted(place, "rover_ingest_limited_connections") == 0
        assert running.stop()[0] == 0


def test_zero_is_no_limit(place: Place) -> None:
    """For a gateway behind which everybody is."""
    with backend(place, calls_per_second=0, connections_per_second=0) as running:
        with grpc.insecure_channel(f"127.0.0.1:{place.grpc}") as channel:
            assert {code_of_call(channel) for _ in range(200)} == {grpc.StatusCode.OK}
        assert counted(place, "rover_ingest_limited_calls") == 0
        assert running.stop()[0] == 0
