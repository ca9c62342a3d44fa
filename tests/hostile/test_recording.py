"""A recording that cannot be written to its end says so: nobody may take a part for the whole."""

import re
import subprocess

import pytest

from tests.stage.rover import EXECUTABLE

pytestmark = pytest.mark.root


def test_a_full_disk_is_told_and_the_ledger_comes_all_the_same():
    """/dev/full takes the file and refuses the bytes, as a full disk does."""
    done = subprocess.run(
        [EXECUTABLE, "record", "/dev/full", "--duration", "1"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    # Told when it happens, or where little was recorded at the end.
    assert re.search("the recording (ends early|is incomplete): No space left on device", done.stderr)
    assert '"captured"' in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
