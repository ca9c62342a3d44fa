"""Rules that change while rover runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rover.config import ConfigError
from rover.config.tree import Watch
from rover.processes import ProcessTable, RulesSource
from rover.processes.procfs import Process, ProcFs

SECOND = 1_000_000_000


class OneNginx(ProcFs):
    def maybe_process(self, pid: int) -> Process:
        return Process(pid, 1, "nginx", 0, is_kernel_thread=False, executable="/usr/sbin/nginx", source=self)


def write(path: Path, text: str) -> None:
    """As an editor or Kubernetes does: another file takes the name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_file_that_did_not_change_brings_no_other_rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules: []\n")
    assert RulesSource(Watch(rules_file=path)).maybe_changed() is None


def test_a_changed_file_is_taken_over_and_changes_verdicts(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules: []\n")
    source = RulesSource(Watch(rules_file=path))
    table = ProcessTable(source.rules, "node-1", 0, OneNginx("/nonexistent"))
    assert [decision.is_watched for decision in table.handle([("exec", 10, 1, SECOND, "", "", 0, [])])] == [True]
    write(path, "rules:\n- exclude: {exe: nginx}\n")
    [decision] = table.replace_rules(source.maybe_changed(), 2 * SECOND)
    assert (decision.pid, decision.is_watched, decision.since_ns) == (10, False, SECOND)
    assert table.watched == 0
    write(path, "rules:\n- name: {exe: nginx}\n  service: web\n")
    [decision] = table.replace_rules(source.maybe_changed(), 3 * SECOND)
    assert decision.is_watched
    assert '"service": "web"' in decision.identity
    assert list(table.replace_rules(source.rules, 4 * SECOND)) == []


def test_a_broken_file_keeps_the_rules_before_it_and_says_so_once(tmp_path, caplog):
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n- exclude: {exe: nginx}\n")
    source = RulesSource(Watch(rules_file=path))
    before = source.rules
    write(path, "rules:\n- exclude: {exec: nginx}\n")
    assert source.maybe_changed() is None
    assert source.maybe_changed() is None
    assert source.rules is before
    assert caplog.text.count("the rules before it stay in force") == 1
    assert "rules.yaml:2" in caplog.text
    path.unlink()
    assert source.maybe_changed() is None
    write(path, "rules: []\n")
    assert source.maybe_changed() is not None


def test_a_file_that_is_broken_at_the_start_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        RulesSource(Watch(rules_file=tmp_path / "none.yaml"))
