"""The page's sources: unit tests, generated types, and the weight of the result."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from rover.backend.api import openapi
from tests.web.conftest import BUILT, WEB

MOST_GZIPPED = 96_000
"""Bytes of script and style as sent: with these a page on loopback paints its first frame in far less than a second."""


def npm(*words: str) -> str:
    """Runs a script of package.json."""
    done = subprocess.run(["npm", "run", "--silent", *words], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_types_are_those_of_the_api(tmp_path: Path) -> None:
    """`npm run types` writes them from the OpenAPI document; here they must not differ."""
    source = tmp_path / "openapi.json"
    source.write_text(openapi.render(openapi.document(openapi.table(), openapi.API_VERSION)))
    fresh = tmp_path / "openapi.ts"
    npm("types", "--", str(source), "--output", str(fresh))
    assert fresh.read_text() == (WEB / "src" / "api" / "openapi.ts").read_text(), "stale: run `npm run types`"


def test_the_page_is_light() -> None:
    """Script and style together, compressed."""
    files = [*BUILT.parent.glob("assets/*.js"), *BUILT.parent.glob("assets/*.css")]
    assert files
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < MOST_GZIPPED


def test_the_page_needs_no_exception_from_a_strict_policy() -> None:
    """No inline script or style, and nothing from elsewhere."""
    html = BUILT.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert "<style" not in html
    assert " style=" not in html
    assert re.findall(r"(?:src|href)=\"(?!/)", html) == []


@pytest.mark.parametrize("file", sorted((WEB / "src").rglob("*.css")), ids=lambda file: file.name)
def test_colours_are_named_in_one_file(file: Path) -> None:
    """tokens.css; everywhere else they are variables."""
    if file.name == "tokens.css":
        return
    text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
    assert re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(", text) == []


def test_only_one_module_talks_to_the_backend() -> None:
    """api/client.ts."""
    talkers = [
        file.name for file in (WEB / "src").rglob("*.ts*") if re.search(r"\bfetch\(|EventSource\(", file.read_text())
    ]
    assert talkers == ["client.ts"]


def test_the_lock_file_names_no_download_address() -> None:
    """Packages are found by name, version and hash."""
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 10
    assert "registry." not in (WEB / ".npmrc").read_text()
