"""`rover logs`: the exchanges that a backend has, those that come, and one of them in full."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from rover.cli.client import Client
from rover.cli.lines import line
from rover.cli.output import color_option, has_color, layers_option, width_of
from rover.cli.settings import config_option, load_config
from rover.cli.waterfall import WIDE, Screen, bar, legend, show

_PAGE = 500
"""The most records in one answer of the API."""

_EXAMPLES = """\b
Examples:
  rover logs                             the last 50 of 15 minutes
  rover logs --status 5xx --follow       errors as they happen
  rover logs --service nginx --path '/api/*' --slower 200ms
  rover logs --slower 1s --ids --layers  where the time of slow ones went
  rover logs show 18bc1d7a…              one in full: waterfall, figures
  rover logs --from 2026-01-31T12:00:00Z --limit 10000 --format json"""


_backend_option = click.option(
    "--backend", metavar="URL", help="The backend to ask.  [default: the one of this configuration]"
)
_format_option = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group(epilog=_EXAMPLES, invoke_without_command=True, subcommand_metavar="[show ID]")
@config_option
@_backend_option
@click.option("--service", metavar="NAME", help="Service of the observed process.")
@click.option("--method", metavar="METHOD", help="As sent.")
@click.option("--path", metavar="GLOB", help="Path without query; * and ? as in a shell.")
@click.option("--status", metavar="CODES", help="404, 5xx, or several with commas.")
@click.option("--slower", metavar="TIME", help="At least this duration: 200ms, 1.5s.")
@click.option("--side", type=click.Choice(["server", "client"]), help="Side of the observed process.")
@click.option("--peer", metavar="NAME", help="Service or address at the other end.")
@click.option("--from", "from_", metavar="TIME", help="RFC 3339.  [default: 15 minutes ago]")
@click.option("--to", metavar="TIME", help="RFC 3339.  [default: now]")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="The most records to begin with."
)
@click.option("-f", "--follow", is_flag=True, help="Then go on with records as they come.")
@_format_option
@click.option("--ids", is_flag=True, help="Format text: begin each line with the id that `rover logs show` takes.")
@layers_option
@color_option
def command(
    file: Path | None,
    backend: str | None,
    limit: int,
    follow: bool,
    format_: str,
    ids: bool,
    layers: bool,
    color: str,
    from_: str | None,
    **filters: Any,
) -> None:
    """Query the exchanges of a backend, oldest first; `show ID` draws one."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    client, screen = _open(file, backend, color)
    span = {"from": from_, "to": filters.pop("to")}
    if follow and span["to"]:
        raise click.UsageError("--follow goes on from now: --to has no place beside it")
    records = _follow(client, filters, span, limit) if follow else _query(client, filters, span, limit)
    is_legend_due = layers and format_ == "text"
    for record in records:
        if format_ == "json":
            click.echo(json.dumps(record, ensure_ascii=False))
            continue
        if is_legend_due:
            _print(legend(screen))
            is_legend_due = False
        _print([f"{record['id']} {line(record)}" if ids else line(record), *([bar(record, screen)] if layers else [])])


@command.command("show", short_help="Draw one exchange in full.")
@click.argument("record_id", metavar="ID")
@config_option
@_backend_option
@_format_option
@color_option
def show_one(record_id: str, file: Path | None, backend: str | None, format_: str, color: str) -> None:
    """Draw one exchange: where its time went, layer by layer, at both ends if both were seen.

    ID is the `id` of a record: 32 hexadecimal digits, as `rover logs --ids` and the page's address have it.
    With --format json: the record and, below it, that of the other end."""
    if not re.fullmatch("[0-9a-f]{32}", record_id):
        raise click.UsageError(
            f"{record_id[:40]!r} is no id: it has 32 hexadecimal digits; rover logs --ids shows them"
        )
    parent = click.get_current_context().parent
    given = parent.params if parent else {}
    client, screen = _open(file or given.get("file"), backend or given.get("backend"), color, WIDE)
    record = client.get(f"/api/exchanges/{record_id}", {})
    partner = client.get(f"/api/exchanges/{record_id}/partner", {})["partner"]
    if format_ == "json":
        _print(json.dumps(each, ensure_ascii=False) for each in (record, partner) if each is not None)
    else:
        _print(show(record, partner, screen))


def _open(file: Path | None, backend: str | None, color: str, width: int = 80) -> tuple[Client, Screen]:
    """The backend to ask, and where its answers are drawn: in a terminal, or in this width."""
    loaded, environment = load_config(file)

    from rover.daemon.options import read_token

    settings = loaded.config.backend.http
    token = read_token(settings.token_file, "backend.http.token_file") if settings.token_file else None
    screen = Screen(width_of(sys.stdout) or width, has_color(sys.stdout, color, environment))
    scheme = "http" if settings.tls.cert_file is None else "https"
    known = settings.tls.cert_file if backend is None else None
    return Client(backend or f"{scheme}://{settings.address}", token, known), screen


def _print(lines: Iterable[str]) -> None:
    for each in lines:
        click.echo(each, color=True)


def _query(client: Client, filters: dict[str, Any], span: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    """The newest `limit` records, oldest first. The API gives pages, newest first."""
    found: list[dict[str, Any]] = []
    before = None
    while len(found) < limit:
        page = {"limit": min(_PAGE, limit - len(found)), "before": before}
        answer = client.get("/api/exchanges", {**filters, **span, **page})
        found += answer["exchanges"]
        before = answer["next"]
        if before is None:
            break
    yield from reversed(found)


def _follow(client: Client, filters: dict[str, Any], span: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    """The same, then what comes: the stream is opened first, so that nothing falls between the two."""
    shown: dict[str, bool] = {}  # id, and whether it was finished
    for name, data in client.events("/api/exchanges/stream", filters):
        if name == "open":
            for record in _query(client, filters, span, limit):
                shown[record["id"]] = _is_finished(record)
                yield record
        elif name == "exchange":
            record = json.loads(data)
            was_finished = shown.pop(record["id"], None)
            if was_finished is None or (_is_finished(record) and not was_finished):
                yield record
        elif name == "skipped":
            click.echo(f"rover: {json.loads(data)['count']} records were too many to follow", err=True)


def _is_finished(record: dict[str, Any]) -> bool:
    return "unfinished" not in record["flags"]
