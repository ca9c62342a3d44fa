"""What the documents say of hooks is what this build has."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.root


def text(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text()


def test_every_hook_below_the_socket_is_in_the_document_of_layers(able: dict[str, Any]) -> None:
    """docs/layers.md has the way of the packets, docs/architecture.md the rest."""
    documents = text("docs/layers.md") + text("docs/architecture.md").replace(
        "`_exec`, `_exit`", "sched_process_exec, sched_process_exit"
    )
    named = set(re.findall(r"\w+", documents))
    assert {hook["hook"].split()[0] for hook in able["hooks"]} <= named


def test_every_figure_is_in_the_document_of_layers(able: dict[str, Any]) -> None:
    """Whatever this kernel gives."""
    named = set(re.findall(r"\w+", text("docs/layers.md")))
    assert {figure for figures in able["figures"].values() for family in figures for figure in family} <= named


def test_the_readme_counts_the_hooks_of_this_build(able: dict[str, Any]) -> None:
    """The line that says ready, and what doctor prints of a hook."""
    found = re.search(r"^ready hooks=(\d+)/(\d+) mode=\w+ seconds=", text("README.md"), re.MULTILINE)
    assert found
    assert int(found[2]) == len(able["hooks"])
    shown = re.findall(r"^  [✓✗] (.+?) {2,}(?:tracepoint|none) +(.+)$", text("README.md"), re.MULTILINE)
    assert len(shown) >= 3
    assert set(shown) <= {(hook["hook"], hook["feeds"]) for hook in able["hooks"]}
