"""`rover processes`: what the rules say of every process that runs now."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from rover.cli.settings import config_option, load_config

_EXAMPLES = """\b
Examples:
  sudo rover processes                   every process, and what decided on it
  sudo rover processes --watched         only those that are watched
  sudo rover processes --rules-file new.yaml
                                         the same by rules not yet in use
  sudo rover processes --json            one object a line"""

_POLL_S = 0.02


@click.command(epilog=_EXAMPLES)
@config_option
@click.option("--rules-file", type=click.Path(path_type=Path), metavar="FILE", help="Judge by this rules file.")
@click.option("--watched", "is_watched_only", is_flag=True, help="Only processes that are watched.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, one object a line.")
def command(file: Path | None, rules_file: Path | None, is_watched_only: bool, is_json: bool) -> None:
    """List every process, its service, its verdict and the rule behind it, and TLS of it that cannot be read.

    Judges by the configuration as it is now, without asking a daemon. Needs root to read what others run."""
    loaded, _ = load_config(file)
    if rules_file is not None:
        loaded = loaded.override({"watch.rules_file": (str(rules_file), "--rules-file")})
    rows = [row for row in _rows(loaded.config) if row["watched"] or not is_watched_only]
    _add_tls(rows)
    for line in map(json.dumps, rows) if is_json else (*_table(rows), *_reasons(rows)):
        click.echo(line)


def _rows(config: Any) -> list[dict[str, Any]]:
    from rover.daemon import Naming, node_name, process_table
    from rover.processes import RulesSource
    from rover.processes.procfs import ProcFs

    node = node_name(config)
    naming = Naming(config, node, lambda _: None)
    table = process_table(config, RulesSource(config.watch).rules, node, naming.directory)
    naming.start()
    try:
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for _ in table.handle([("exec", pid, 0, now_ns, "", "", 0, []) for pid in sorted(ProcFs().pids())]):
            pass
        while table.has_waiting:
            time.sleep(_POLL_S)
            for _ in table.look_again(time.clock_gettime_ns(time.CLOCK_BOOTTIME)):
                pass
    finally:
        naming.stop()
    return [_row(listed) for listed in table.listed()]


def _row(listed: Any) -> dict[str, Any]:
    who, verdict = listed.who, listed.verdict
    return {
        "pid": listed.process.pid,
        "comm": listed.process.comm,
        "executable": listed.process.executable,
        "start_ns": listed.process.start_ns,
        "watched": None if verdict is None else verdict.is_watched,
        "rule": None if verdict is None else verdict.rule,
        "service": listed.service,
        "unit": who.place.unit,
        "container": (who.container.name or who.container.id) if who.container else None,
        "namespace": who.pod.namespace if who.pod else None,
        "pod": who.pod.name if who.pod else None,
    }


def _add_tls(rows: list[dict[str, Any]]) -> None:
    """To each its libraries of which nobody can read the plaintext; it may have others that are read."""
    from rover import _engine

    unread = json.loads(_engine.unread_tls([row["pid"] for row in rows]))
    for row in rows:
        row["unread_tls"] = unread.get(str(row["pid"]), [])


def _name(library: dict[str, Any]) -> str:
    return f"{library['kind']} {library['version']}" if library["version"] else str(library["kind"])


def _reasons(rows: list[dict[str, Any]]) -> list[str]:
    """One line for each kind of library that cannot be read."""
    reasons = {library["kind"]: library["reason"] for row in rows for library in row["unread_tls"]}
    return [f"{kind} is not read: {reasons[kind]}" for kind in sorted(reasons)]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    words = {True: "watched", False: "excluded", None: "undecided"}
    cells = [("PID", "PROCESS", "VERDICT", "SERVICE", "TLS NOT READ", "RULE")]
    for row in rows:
        verdict, service, rule = words[row["watched"]], row["service"] or "–", row["rule"] or "–"
        libraries = ", ".join(sorted({_name(library) for library in row["unread_tls"]})) or "–"
        cells.append((str(row["pid"]), row["comm"], verdict, service, libraries, rule))
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return [
        "  ".join((*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5])) for line in cells
    ]
