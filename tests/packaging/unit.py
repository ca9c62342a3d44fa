"""The systemd unit, read as far as tests need it."""

from __future__ import annotations

from tests.packaging.conftest import ROOT

UNIT = ROOT / "config/systemd/rover.service"


def values(name: str) -> list[str]:
    """All that the unit sets under this name."""
    pairs = (line.partition("=") for line in UNIT.read_text().splitlines() if not line.startswith("#"))
    return [value for found, _, value in pairs if found == name]


def capabilities() -> list[str]:
    """Those of the bounding set, as setpriv(1) writes them."""
    return [name.removeprefix("CAP_").lower() for line in values("CapabilityBoundingSet") for name in line.split()]
