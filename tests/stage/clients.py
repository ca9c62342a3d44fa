"""Real clients that visit a server and tell what they got."""

import http.client
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .exchange import ANY, Exchange


@dataclass(frozen=True)
class Visit:
    """One request to make."""

    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def visit_with_http_client(host: str, port: int, visits: Sequence[Visit], seconds: float = 20) -> list[int]:
    """Make the requests on one connection with Python's http.client; sizes of the bodies after removal of chunks."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    sizes = []
    try:
        for visit in visits:
            connection.request(visit.method, visit.target, visit.body, dict(visit.headers))
            sizes.append(len(connection.getresponse().read()))
    finally:
        connection.close()
    return sizes


def visit_with_curl(urls: Sequence[str], *options: str, seconds: float = 20) -> list[tuple[int, int, int]]:
    """Fetch the URLs with one curl, kept connections included.

    Returns for each URL its port of the client's end, status and body size as curl counted them."""
    told = '{"port":%{local_port},"status":%{response_code},"body":%{size_download}}\\n'
    outputs = [word for url in urls for word in ("-o", "/dev/null", url)]
    done = subprocess.run(
        ["curl", "-sS", "--max-time", str(seconds), "-w", told, *options, *outputs],
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + 5,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["port"], line["status"], line["body"]) for line in lines]


def with_sizes(truth: Sequence[Exchange], sizes: Sequence[int]) -> list[Exchange]:
    """The truth of a server's log, with the body sizes that the client counted where the log leaves them open."""
    return [
        replace(exchange, response_body=size) if exchange.response_body is ANY else exchange
        for exchange, size in zip(truth, sizes, strict=True)
    ]
