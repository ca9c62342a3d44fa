"""asyncio servers and clients in one process, over TLS: several peers at once, each with its own marker.

Arguments: port, certificate, key, clients, requests of each. Prints what every client asked and got, a JSON line each.
"""

import asyncio
import json
import ssl
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request with its own path."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = b"you asked " + head.split()[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def visit(port: int, trust: ssl.SSLContext, marker: int, count: int) -> list[dict[str, object]]:
    """Requests one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
    own = writer.get_extra_info("sockname")[1]
    seen = []
    for number in range(count):
        path = f"/{marker}/{number}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.split(b"Length: ")[1].split()[0]))
        assert body == b"you asked " + path.encode()
        seen.append({"connection": own, "path": path, "body": len(body), "number": number + 1})
    writer.close()
    return seen


async def main() -> None:
    """All clients at once."""
    port, clients, count = int(sys.argv[1]), int(sys.argv[4]), int(sys.argv[5])
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(sys.argv[2], sys.argv[3])
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=own)
    trust = ssl.create_default_context(cafile=sys.argv[2])
    for seen in await asyncio.gather(*(visit(port, trust, marker, count) for marker in range(clients))):
        for each in seen:
            print(json.dumps(each))
    server.close()


asyncio.run(main())
