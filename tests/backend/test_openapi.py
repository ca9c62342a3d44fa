"""The OpenAPI page describes what the server does, and the files made from it are up to date."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from rover.backend.api.openapi import API_VERSION, document, render, table
from rover.backend.api.reference import reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_served_as_it_is_made(quiet: httpx.Client) -> None:
    """From the same table as the routes."""
    assert quiet.get("/openapi.json").text == render(document(table(), API_VERSION))


def test_the_reference_page_is_up_to_date() -> None:
    """docs/api.md is made from the same table."""
    expected = reference(document(table(), API_VERSION))
    assert (ROOT / "docs/api.md").read_text() == expected, "python -m rover.backend.describe markdown > docs/api.md"


def test_the_types_of_the_web_page_are_up_to_date(tmp_path: Path) -> None:
    """The page's types are generated from the document; a stale file would hide a change from its compiler."""
    generator = ROOT / "web/node_modules/.bin/openapi-typescript"
    if not generator.exists():
        pytest.skip("the page's packages are not installed: make build")
    (tmp_path / "openapi.json").write_text(render(document(table(), API_VERSION)))
    subprocess.run([generator, "openapi.json", "--output", "openapi.ts"], cwd=tmp_path, check=True, capture_output=True)
    found, expected = (ROOT / "web/src/api/openapi.ts").read_text(), (tmp_path / "openapi.ts").read_text()
    again = "python -m rover.backend.describe openapi > FILE; openapi-typescript FILE --output web/src/api/openapi.ts"
    assert found == expected, again


def test_describe_is_a_command() -> None:
    """With nothing to say beside the document."""
    command = [sys.executable, "-W", "error", "-m", "rover.backend.describe"]
    done = subprocess.run([*command, "openapi"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == render(document(table(), API_VERSION))
    assert done.stderr == ""
    assert subprocess.run([*command, "nonsense"], capture_output=True, cwd=ROOT).returncode == 2


def test_every_reference_leads_somewhere() -> None:
    """A document with a dangling reference breaks every generator."""
    text = render(document(table(), API_VERSION))
    schemas = document(table(), API_VERSION)["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references <= set(schemas)
    assert not any(name.endswith("Query") for name in schemas)


@pytest.mark.parametrize("path", document(table(), API_VERSION)["paths"])
def test_every_operation_is_served_and_knows_the_parameters_that_it_names(quiet: httpx.Client, path: str) -> None:
    """A parameter of the page is never unknown to the server."""
    named = document(table(), API_VERSION)["paths"][path]["get"]["parameters"]
    url = path.replace("{name}", "cart").replace("{id}", "0" * 32)
    for parameter in [each["name"] for each in named if each["in"] == "query"]:
        with quiet.stream("GET", url, params={parameter: "\x7f" * 50}) as answer:
            assert answer.status_code in (200, 400)
            text = "" if answer.status_code == 200 else answer.read().decode()
        assert "unknown field" not in text
    assert quiet.get(url, params={"surely": "unknown"}).status_code == 400
