"""`rover logs`: the exchanges that a backend has, and those that come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from rover.cli.client import Client
from rover.cli.lines import line
from rover.cli.settings import config_option, load_config

_PAGE = 500
"""The most records in one answer of the API."""

_EXAMPLES = """\b
Examples:
  rover logs                                    the last 50 of the last 15 minutes
  rover logs --status 5xx --follow              errors as they happen
  rover logs --service nginx --path '/api/*' --slower 200ms
  rover logs --from 2026-01-31T12:00:00Z --to 2026-01-31T12:05:00Z --limit 10000 --format json"""


@click.command(epilog=_EXAMPLES)
@config_option
@click.option("--backend", metavar="URL", help="The backend to ask.  [default: http://, then backend.http.address]")
@click.option("--service", metavar="NAME", help="Service of the observed process.")
@click.option("--method", metavar="METHOD", help="As sent.")
@click.option("--path", metavar="GLOB", help="Path without query; * and ? as in a shell.")
@click.option("--status", metavar="CODES", help="404, 5xx, or several with commas.")
@click.option("--slower", metavar="TIME", help="At least this duration: 200ms, 1.5s.")
@click.option("--side", type=click.Choice(["server", "client"]), help="Side of the observed process.")
@click.option("--from", "from_", metavar="TIME", help="RFC 3339.  [default: 15 minutes ago]")
@click.option("--to", metavar="TIME", help="RFC 3339.  [default: now]")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="The most records to begin with."
)
@click.option("-f", "--follow", is_flag=True, help="Then go on with records as they come.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    file: Path | None, backend: str | None, limit: int, follow: bool, format_: str, from_: str | None, **filters: Any
) -> None:
    """Query the exchanges of a backend, oldest first."""
    loaded, _ = load_config(file)

    from rover.daemon.options import read_token

    settings = loaded.config.backend.http
    token = read_token(settings.token_file, "backend.http.token_file") if settings.token_file else None
    client = Client(backend or f"http://{settings.address}", token)
    span = {"from": from_, "to": filters.pop("to")}
    if follow and span["to"]:
        raise click.UsageError("--follow goes on from now: --to has no place beside it")
    records = _follow(client, filters, span, limit) if follow else _query(client, filters, span, limit)
    for record in records:
        click.echo(line(record) if format_ == "text" else json.dumps(record, ensure_ascii=False))


def _query(client: Client, filters: dict[str, Any], span: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    """The newest `limit` records, oldest first. The API gives pages, newest first."""
    found: list[dict[str, Any]] = []
    before = None
    while len(found) < limit:
        page = {"limit": min(_PAGE, limit - len(found)), "before": before}
        answer = client.get("/api/exchanges", {**filters, **span, **page})
        found += answer["exchanges"]
        before = answer["next"]
        if before is None or not answer["exchanges"]:
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
