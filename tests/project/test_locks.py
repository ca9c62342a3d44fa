"""Lock files pin versions and contents, and say nothing of where things were downloaded from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_LOCKS = ["requirements.lock", "requirements-run.lock", "requirements-dev.lock"]
ADDRESS = re.compile(r"https?://|git\+|file:|--index|--find-links|registry\.|@ ")


def pinned(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_every_python_package_is_pinned_with_hashes(name):
    text = (ROOT / name).read_text()
    for block in re.split(r"\n(?=[A-Za-z])", text.strip()):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            assert re.match(r"[A-Za-z0-9._-]+==\S+ \\", lines[0]), lines[0]
            assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:]), lines[0]
            assert len(lines) > 1, lines[0]


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_python_locks_name_no_addresses(name):
    assert ADDRESS.search((ROOT / name).read_text()) is None


def test_the_page_s_lock_names_no_addresses_and_has_hashes():
    text = (ROOT / "web/package-lock.json").read_text()
    assert '"resolved"' not in text
    assert '"integrity": "sha512-' in text


def test_every_optional_package_of_the_page_s_tools_is_locked():
    """`npm ci` refuses a lock without them, `npm install` writes one when a registry has not got them all."""
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    wanted = {name for package in packages.values() for name in package.get("optionalDependencies", {})}
    assert {name for name in wanted if f"node_modules/{name}" not in packages} == set()


def test_tests_run_with_what_users_run():
    run, installed, test = (pinned(name) for name in PYTHON_LOCKS)
    assert installed.items() <= run.items() <= test.items()


def test_everything_that_is_declared_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=!~\[ ]", entry)[0].lower() for entry in project["dependencies"]}
    assert declared <= {name.lower() for name in pinned("requirements-run.lock")}
