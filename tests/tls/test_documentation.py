"""The table of docs/tls.md: every cell names tests that there are, or says that there is none."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_TEST = ("untested", "not found", "not read", "there is none")
NAME = re.compile(r"`([a-z]\w*_\w*)`")


def cells() -> list[tuple[str, str]]:
    """What stands under `socket` and `memory`, each with its row's name."""
    section = (ROOT / "docs/tls.md").read_text().partition("## Library by library")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [(" ".join(row[:3]), cell) for row in rows[2:] for cell in row[3:]]


def known_tests() -> set[str]:
    """Names of all tests of TLS."""
    folders = (ROOT / "tests/tls", ROOT / "tests/vm/guest")
    python = "".join(path.read_text() for folder in folders for path in folder.glob("test_*.py"))
    rust = "".join(path.read_text() for path in (ROOT / "sites/tests").glob("*.rs"))
    return set(re.findall(r"^def (test_\w+)", python, re.M)) | set(re.findall(r"#\[test\]\nfn (\w+)", rust))


@pytest.mark.parametrize(("row", "cell"), cells())
def test_a_cell_names_tests_or_says_that_there_is_none(row: str, cell: str) -> None:
    """A test that is renamed or deleted takes its claim along."""
    named = set(NAME.findall(cell))
    assert named <= known_tests(), f"{row}: {named - known_tests()}"
    assert bool(named) != cell.startswith(WITHOUT_TEST), f"{row}: {cell}"


def test_the_table_is_there() -> None:
    """Else the test above has nothing to look at."""
    assert len(cells()) == 2 * 14
