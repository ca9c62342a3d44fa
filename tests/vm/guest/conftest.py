"""These tests are for a guest of tests/vm/test_matrix.py, which names itself in the environment."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside of a guest there is nothing to run."""
    if "VM_GUEST" in os.environ:
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="for a guest: make vm"))
