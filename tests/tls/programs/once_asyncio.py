"""One HTTPS request over a session in memory, and the end of the process. Arguments: port, certificate, path."""

import asyncio
import ssl
import sys


async def main() -> None:
    """Ends as soon as the response is there."""
    port, trust = int(sys.argv[1]), ssl.create_default_context(cafile=sys.argv[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
    writer.write(f"GET {sys.argv[3]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


asyncio.run(main())
