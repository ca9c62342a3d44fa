"""asyncio over TLS: a client that leaves amid a long body, then asks for a short one on a new connection; and again.

The library makes each new session where it has just freed one. Arguments: port of the short ones, of the long ones,
certificate, key, times. Prints what was asked and got of the short ones, a JSON line each.
"""

import asyncio
import json
import ssl
import sys

ANNOUNCED, SENT = 50_000_000, 100_000


async def serve_long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Some of a long body, until the client has left."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ANNOUNCED + b"x" * SENT)
    await reader.read()
    writer.transport.abort()


async def serve_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, answered with its own path."""
    body = b"you asked " + (await reader.readuntil(b"\r\n\r\n")).split()[1]
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await reader.read()
    writer.transport.abort()


async def main() -> None:
    """One connection at a time."""
    short, long, times = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[5])
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(sys.argv[3], sys.argv[4])
    trust = ssl.create_default_context(cafile=sys.argv[3])
    servers = [
        await asyncio.start_server(serve, "127.0.0.1", port, ssl=own)
        for serve, port in ((serve_short, short), (serve_long, long))
    ]
    for number in range(times):
        for port, path in ((long, "/long"), (short, f"/short/{number}")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(SENT if port == long else len(f"you asked {path}"))
            own_port = writer.get_extra_info("sockname")[1]
            writer.transport.abort()
            # Both ends are gone before the next one comes.
            await asyncio.sleep(0.02)
        print(json.dumps({"connection": own_port, "path": path, "body": len(body), "number": 1}))
    for server in servers:
        server.close()


asyncio.run(main())
