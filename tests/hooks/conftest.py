"""What rover finds and tells here with nothing in its way."""

from typing import Any

import pytest

from tests.stage.rover import Record

from . import running


@pytest.fixture(scope="session")
def able() -> dict[str, Any]:
    """What `rover doctor` finds here, which must be enough."""
    code, finding = running.found()
    if code == running.KERNEL:
        pytest.skip(f"rover cannot capture here: {finding['error']}")
    assert code == 0
    return finding


@pytest.fixture(scope="session")
def whole(able: dict[str, Any]) -> dict[running.Which, Record]:
    """Records with every hook that this kernel has."""
    return running.two_exchanges()
