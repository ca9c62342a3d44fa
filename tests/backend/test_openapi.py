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


@pytest.mark.parametrize(("file", "word"), [("web/openapi.json", "openapi"), ("docs/api.md", "markdown")])
def test_files_made_from_the_table_are_up_to_date(file: str, word: str) -> None:
    """To write them anew: python -m rover.backend.describe WORD > FILE."""
    found = document(table(), API_VERSION)
    expected = render(found) if word == "openapi" else reference(found)
    assert (ROOT / file).read_text() == expected, f"python -m rover.backend.describe {word} > {file}"


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
