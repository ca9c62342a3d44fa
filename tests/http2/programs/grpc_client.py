"""A gRPC client on grpc-core: grpc_client.py PORT METHOD CALLS MESSAGES SIZE [THREADS]

Makes so many calls, each with so many messages of so many bytes, and prints how each ended and what came back.
`wait` as METHOD: the rest comes from standard input, call by call, on one channel. `stream` as METHOD: one call of Bidi
with a message for each line of standard input; each answer is printed. The variable GRPC_TRUST names a certificate to
trust: then it is spoken over TLS."""

import json
import os
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc


def one(channel, method, messages, size):
    """Make one call; returns its status and how many messages came back."""
    path = f"/test.Echo/{method}"
    try:
        if method == "Unary":
            channel.unary_unary(path)(b"m" * size, timeout=30)
            return 0, 1
        if method == "ClientStream":
            channel.stream_unary(path)(iter([b"m" * size] * messages), timeout=30)
            return 0, 1
        if method == "ServerStream":
            return 0, sum(1 for _ in channel.unary_stream(path)(str(messages).encode(), timeout=30))
        if method == "Bidi":
            return 0, sum(1 for _ in channel.stream_stream(path)(iter([b"m" * size] * messages), timeout=30))
        if method == "Refuse":
            channel.unary_unary(path)(str(messages).encode(), timeout=30)
        if method == "Break":
            list(channel.unary_stream(path)(str(messages).encode(), timeout=30))
        if method == "Hang":
            call = channel.unary_stream(path)(b"now", timeout=30)
            threading.Timer(0.05, call.cancel).start()
            list(call)
    except grpc.RpcError as error:
        return error.code().value[0], 1 if method == "Break" else 0
    raise SystemExit(f"{method} did not fail")


def open_channel(address):
    # The default refuses messages of more than 4 MiB.
    options = [("grpc.max_receive_message_length", -1)]
    if trust := os.environ.get("GRPC_TRUST"):
        options.append(("grpc.ssl_target_name_override", "localhost"))
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(trust).read_bytes()), options)
    return grpc.insecure_channel(address, options)


def main():
    port, method, *numbers = sys.argv[1:]
    with open_channel(f"127.0.0.1:{port}") as channel:
        if method == "wait":
            for line in sys.stdin:
                method, messages, size = line.split()
                print(json.dumps(one(channel, method, int(messages), int(size))), flush=True)
            return
        if method == "stream":
            for message in channel.stream_stream("/test.Echo/Bidi")(line.encode() for line in sys.stdin):
                print(message.decode(), end="", flush=True)
            return
        calls, messages, size, *threads = map(int, numbers)
        with futures.ThreadPoolExecutor(threads[0] if threads else 8) as pool:
            for done in pool.map(lambda _: one(channel, method, messages, size), range(calls)):
                print(json.dumps(done))
        if method == "Hang":
            time.sleep(0.1)  # the last RST_STREAM has to get out before the connection ends


main()
