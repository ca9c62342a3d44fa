"""TLS between threads of this process, over sockets and over memory BIOs: prints how many bytes were sent in all."""

import asyncio
import random
import socket
import ssl
import sys
import threading

KEY, CERTIFICATE = sys.argv[1:]
SIZES = [1, 100, 16384, 16385, 300_000]


def contexts(version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE, KEY)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    return server, client


def read_exactly(connection: ssl.SSLSocket, size: int) -> None:
    while size:
        size -= len(connection.recv(min(size, 10_000)))


def over_sockets(version: ssl.TLSVersion) -> int:
    """Each side sends each size; the server's end of the connection is in a thread."""
    server_context, client_context = contexts(version)
    one, other = socket.socketpair()

    def serve() -> None:
        with server_context.wrap_socket(one, server_side=True) as connection:
            for size in SIZES:
                read_exactly(connection, size)
                connection.sendall(bytes(size))

    thread = threading.Thread(target=serve)
    thread.start()
    with client_context.wrap_socket(other) as connection:
        for size in SIZES:
            connection.sendall(bytes(size))
            read_exactly(connection, size)
        thread.join()
    return 2 * sum(SIZES)


async def over_memory(version: ssl.TLSVersion) -> int:
    """asyncio: many connections on one thread, each through a pair of memory BIOs."""
    server_context, client_context = contexts(version)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in SIZES:
            await reader.readexactly(size)
            writer.write(bytes(size))
            await writer.drain()
        writer.close()

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context)
        for size in SIZES:
            writer.write(bytes(size))
            await reader.readexactly(size)
            await asyncio.sleep(random.random() / 100)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(talk(port) for _ in range(10)))
    return 20 * sum(SIZES)


total = 0
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    total += over_sockets(version) + asyncio.run(over_memory(version))
print(total)
