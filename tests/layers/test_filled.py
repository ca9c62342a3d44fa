"""Which figures are there: the table of filled.py, which docs/layers.md shows."""

from pathlib import Path

import pytest

from . import filled

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.root
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_the_figures_of_the_table_are_there_and_no_others(far, watched, doctor, family):
    """Present and not null is what is measured; both sides of an exchange, both ways, both families alike."""
    connection = far(family)
    for _ in range(3):
        connection.exchange(100, 5000)
    for side in ("server", "client"):
        for record in watched.records(connection.port, side, 3):
            for direction in ("write", "read"):
                figures = record["kernel"][direction]
                there = {name for name, value in figures.items() if value is not None}
                assert there == filled.filled(doctor, direction), f"{side} {direction}"


def test_the_document_shows_the_table():
    """`python -m tests.layers.filled` prints what docs/layers.md must have."""
    assert filled.table() in (ROOT / "docs/layers.md").read_text()
