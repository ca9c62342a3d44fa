"""uvicorn and httpx in one process, over TLS: several peers at once, each with its own marker.

Arguments: port, certificate, key, clients, requests of each. Prints what every client asked and got, a JSON line each.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import uvicorn


async def serve(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Answers each request with its own path."""
    assert scope["type"] == "http"
    body = b"you asked " + scope["path"].encode()
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def visit(port: int, trust: ssl.SSLContext, marker: int, count: int) -> list[dict[str, object]]:
    """Requests one after the other on one connection."""
    seen = []
    async with httpx.AsyncClient(verify=trust) as client:
        for number in range(count):
            path = f"/{marker}/{number}"
            response = await client.get(f"https://localhost:{port}{path}")
            own = response.extensions["network_stream"].get_extra_info("client_addr")[1]
            assert response.content == b"you asked " + path.encode()
            seen.append({"connection": own, "path": path, "body": len(response.content), "number": number + 1})
    return seen


async def main() -> None:
    """All clients at once."""
    port, clients, count = int(sys.argv[1]), int(sys.argv[4]), int(sys.argv[5])
    words = {"host": "localhost", "port": port, "lifespan": "off", "log_level": "error"}
    server = uvicorn.Server(uvicorn.Config(serve, ssl_certfile=sys.argv[2], ssl_keyfile=sys.argv[3], **words))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    trust = ssl.create_default_context(cafile=sys.argv[2])
    for seen in await asyncio.gather(*(visit(port, trust, marker, count) for marker in range(clients))):
        for each in seen:
            print(json.dumps(each))
    server.should_exit = True
    await serving


asyncio.run(main())
