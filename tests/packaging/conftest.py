"""What a user installs: the wheel, built once by the words of the Makefile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*words: str) -> str:
    """`make` at the root of the sources; what it printed."""
    # Not the environment of a make that runs these tests: it would be a part of that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "-C", str(ROOT), *words],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Written anew."""
    make("wheel")
    (found,) = (ROOT / "dist").glob("rover-*.whl")
    return found
