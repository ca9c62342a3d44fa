"""gRPC over TLS within this process, by grpc-core and its BoringSSL: prints how many bytes of messages were sent."""

import sys
from concurrent import futures
from pathlib import Path

import grpc

SIZES = [10, 1000, 100_000]
ROUNDS = 100

key, certificate = (Path(path).read_bytes() for path in sys.argv[1:])
method = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", {"Echo": method}),))
port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
server.start()
with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(certificate)) as channel:
    echo = channel.unary_unary("/test.Test/Echo")
    for _ in range(ROUNDS):
        for size in SIZES:
            assert len(echo(bytes(size))) == size
server.stop(0).wait()
print(2 * ROUNDS * sum(SIZES))
