"""The table of messages against what the reference agent was seen to send."""

from pathlib import Path

import pytest

from tests.wire import messages

VECTORS = sorted((Path(__file__).parent / "vectors").glob("*.bin"))
KINDS = {"30-process-report.bin": "ProcessReports", "31-process-keepalive.bin": "Pings"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_the_table_knows_every_captured_field(vector: Path) -> None:
    """Every byte is explained: no unknown field, and the message is written back as it was."""
    data = vector.read_bytes()
    message = messages.read(KINDS.get(vector.name, "AccessLog"), data)
    assert messages.unknown_fields(message) == []
    assert message.SerializeToString(deterministic=True) == data


def test_all_vectors_are_there() -> None:
    """An empty parametrization would pass in silence."""
    assert len(VECTORS) == 22
