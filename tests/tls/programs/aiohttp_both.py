"""aiohttp's server and client in one process, over TLS: several peers at once, each with its own marker.

Arguments: port, certificate, key, clients, requests of each. Prints what every client asked and got, a JSON line each.
"""

import asyncio
import json
import ssl
import sys

from aiohttp import ClientSession, TCPConnector, TraceConfig, web


async def answer(request: web.Request) -> web.Response:
    """Answers each request with its own path, and the port of the peer."""
    peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
    return web.Response(text=f"you asked {request.path}", headers={"X-Peer": str(peer[1])})


async def visit(port: int, trust: ssl.SSLContext, marker: int, count: int) -> list[dict[str, object]]:
    """Requests one after the other on one connection."""
    seen, made = [], []
    trace = TraceConfig()

    async def note(*_: object) -> None:
        made.append(marker)

    trace.on_connection_create_end.append(note)
    connector = TCPConnector(ssl=trust, limit=1)
    async with ClientSession(connector=connector, trace_configs=[trace]) as client:
        for number in range(count):
            path = f"/{marker}/{number}"
            async with client.get(f"https://localhost:{port}{path}") as response:
                body = await response.read()
            assert body == b"you asked " + path.encode()
            own = int(response.headers["X-Peer"])
            seen.append({"connection": own, "path": path, "body": len(body), "number": number + 1})
    assert made == [marker], "one connection"
    return seen


async def main() -> None:
    """All clients at once."""
    port, clients, count = int(sys.argv[1]), int(sys.argv[4]), int(sys.argv[5])
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(sys.argv[2], sys.argv[3])
    application = web.Application()
    application.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=own).start()
    trust = ssl.create_default_context(cafile=sys.argv[2])
    for seen in await asyncio.gather(*(visit(port, trust, marker, count) for marker in range(clients))):
        for each in seen:
            print(json.dumps(each))
    await runner.cleanup()


asyncio.run(main())
