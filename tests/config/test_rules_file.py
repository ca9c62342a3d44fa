"""What a rules file can say, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from rover.config import ConfigError, Rule, RuleLine, RulesFile
from rover.config.rules_file import read_rules_file


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str) -> RulesFile:
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        return read_rules_file(path)

    return read_text


def test_a_file_lists_rules_in_their_order_with_their_lines(read, tmp_path):
    found = read(
        """\
default: exclude
rules:
  - exclude: {exe: curl}
  - include: {namespace: shop, pod_label: {app: "cart*"}, workload: Deployment/cart}
    service: "{workload}.{namespace}"
  - name: {unit: nginx.service}
    service: web
"""
    )
    assert found == RulesFile(
        (
            RuleLine("exclude", Rule(exe="curl")),
            RuleLine(
                "include",
                Rule(namespace="shop", pod_label=(("app", "cart*"),), workload="Deployment/cart"),
                "{workload}.{namespace}",
            ),
            RuleLine("name", Rule(unit="nginx.service"), "web"),
        ),
        is_watched_else=False,
    )
    assert [line.origin for line in found.lines] == [f"{tmp_path}/rules.yaml:{line}" for line in (3, 4, 6)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "rules:\n", "rules: []\n"])
def test_an_empty_file_watches_everything(read, text):
    assert read(text) == RulesFile()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1\n", ":1: the file must be a mapping of keys"),
        ("rules: 1\n", ":1: rules must be a list"),
        ("rule: []\n", ":1: unknown key rule; did you mean rules?"),
        ("default: maybe\n", ":1: default must be include or exclude"),
        ("rules:\n- exclud: {exe: a}\n", ":2: unknown key exclud; did you mean exclude?"),
        ("rules:\n- {service: a}\n", ":2: a rule needs one of include, exclude, name"),
        ("rules:\n- include: {exe: a}\n  exclude: {exe: b}\n", ":3: a rule can include or exclude, not both"),
        ("rules:\n- include: {exe: a}\n  include: {exe: b}\n", ":3: include is given twice"),
        ("rules:\n- include: {exec: a}\n", ":2: include must be a rule, which has no exec; did you mean exe?"),
        ("rules:\n- include: {port: x}\n", ":2: include must be a rule whose port is a port, 1 to 65535"),
        ("rules:\n- include: {pod_label: app}\n", ":2: include must be a rule whose pod_label is a mapping like"),
        ("rules:\n- include: {}\n", ":2: include must be a rule like"),
        ("rules:\n- name: {exe: a}\n", ":2: a rule that names needs a service"),
        ("rules:\n- exclude: {exe: a}\n  service: b\n", ":2: what is excluded needs no service"),
        (
            "rules:\n- name: {exe: a}\n  service: '{pid}'\n",
            ":3: service must be a template, which has no {pid}; it has",
        ),
        ("rules:\n- name: {exe: a}\n  service: '{pod'\n", ":3: service must be a template with closed braces"),
        ("rules: [\n", "is not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(read, text, says):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_rules_file(tmp_path / "none.yaml")
