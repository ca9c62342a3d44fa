"""What is generated from the table of keys stays equal to it."""

from __future__ import annotations

import re
from pathlib import Path

from rover.config import KEYS, Config, load, reference

ROOT = Path(__file__).parents[2]


def test_the_reference_page_is_the_generated_one():
    """`make docs` writes it."""
    assert (ROOT / "docs/configuration.md").read_text() == reference.page()


def test_the_annotated_file_is_the_generated_one():
    """`make docs` writes it."""
    assert (ROOT / "config/rover.yaml").read_text() == reference.annotated_file()


def test_every_key_stands_in_the_page_with_its_default():
    page = reference.page()
    for key in KEYS.values():
        assert f"| `{key.name}` {'↻ ' if key.is_live else ''}|" in page
        assert f"| `{key.variable}` |" in page


def test_the_annotated_file_read_as_it_is_changes_nothing(tmp_path):
    file = tmp_path / "rover.yaml"
    file.write_text(reference.annotated_file())
    assert load(file).config == Config()
    assert load(file).origins == {}


def test_the_annotated_file_with_everything_uncommented_states_every_default(tmp_path):
    file = tmp_path / "rover.yaml"
    file.write_text(re.sub(r"^( +)#(\w+: .*)$", r"\1\2", reference.annotated_file(), flags=re.MULTILINE))
    loaded = load(file)
    assert loaded.config == Config()
    assert loaded.origins.keys() == KEYS.keys()


def test_effective_values_name_their_origin(tmp_path):
    loaded = load(None, {"ROVER_CAPTURE_QUERY": "keep"})
    rows = {name: (value, origin) for name, value, origin in reference.effective(loaded)}
    assert rows.keys() == KEYS.keys()
    assert rows["capture.query"] == ("keep", "ROVER_CAPTURE_QUERY")
    assert rows["watch.side"] == ("null", "default")
