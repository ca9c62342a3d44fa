"""What `rover doctor` tells in a guest: hooks and their modes, and what the kernel made of rover's programs."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.stage.rover import EXECUTABLE

INSTRUCTIONS = 250_000
"""A quarter of what the verifier is ready to look at: a newer kernel may look at twice as many for the same program."""


@pytest.fixture(scope="module")
def finding():
    """What doctor tells. It goes to the host, too, which shows it."""
    done = subprocess.run([EXECUTABLE, "doctor", "--json"], stdout=subprocess.PIPE, text=True, timeout=120)
    Path(os.environ["VM_GUEST"], "doctor.json").write_text(done.stdout)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    return found


def test_programs_are_easy_on_the_verifier(finding):
    counts = {each["program"]: each["instructions"] for each in finding["programs"]}
    assert counts
    assert min(counts.values()) > 0
    assert max(counts.values()) <= INSTRUCTIONS, counts


def test_each_hook_has_its_mode_or_a_reason(finding):
    """Where the mode is forced, the hooks that can be had in it are, and no other way is taken but tracepoints."""
    assert finding["error"] is None
    assert all(hook["reason"] for hook in finding["hooks"] if not hook["attached"])
    assert all(hook["feeds"] for hook in finding["hooks"])
    used = {hook["mode"] for hook in finding["hooks"] if hook["attached"]}
    forced = os.environ["ROVER_KERNEL_ATTACH"]
    assert forced in used
    assert used <= {forced, "tracepoint"}
    if forced != "tracepoint":
        assert [hook for hook in finding["hooks"] if not hook["attached"]] == []


def test_the_programs_of_tls_are_taken_too(finding):
    """They are loaded apart from the others: without them all else goes on, so nothing else would tell."""
    assert finding["tls"]["reason"] is None
