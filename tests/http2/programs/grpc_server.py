"""The gRPC server of README.md on grpc-core: grpc_server.py PORT LOG [CERTIFICATE KEY], with these over TLS"""

import json
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

PREFIX = 5


class Call:
    """Counts one call and writes its line when it is over."""

    def __init__(self, method, context):
        self.method = method
        self.connection = int(context.peer().rpartition(":")[2])
        self.requests = self.responses = self.request_bytes = self.response_bytes = 0

    def asked(self, message):
        self.requests += 1
        self.request_bytes += PREFIX + len(message)
        return message

    def answers(self, message):
        self.responses += 1
        self.response_bytes += PREFIX + len(message)
        return message

    def over(self, status=0):
        line = json.dumps({**vars(self), "status": status})
        with LOCK:
            LOG.write(line + "\n")
            LOG.flush()


LOCK = threading.Lock()
LOG = open(sys.argv[2], "w")  # noqa: SIM115


def unary(message, context):
    call = Call("Unary", context)
    answer = call.answers(call.asked(message))
    call.over()
    return answer


def client_stream(messages, context):
    call = Call("ClientStream", context)
    answer = call.answers(b"".join(map(call.asked, messages)))
    call.over()
    return answer


def server_stream(message, context):
    call = Call("ServerStream", context)
    for _ in range(int(call.asked(message))):
        yield call.answers(b"0123456789")
    call.over()


def bidi(messages, context):
    call = Call("Bidi", context)
    for message in messages:
        yield call.answers(call.asked(message))
    call.over()


def refuse(message, context):
    call = Call("Refuse", context)
    status = int(call.asked(message))
    call.over(status)
    context.abort(next(code for code in grpc.StatusCode if code.value[0] == status), "as asked")


def break_off(message, context):
    call = Call("Break", context)
    status = int(call.asked(message))
    yield call.answers(b"one")
    call.over(status)
    context.abort(next(code for code in grpc.StatusCode if code.value[0] == status), "as asked")


def hang(message, context):
    call = Call("Hang", context)
    call.asked(message)
    over = threading.Event()
    context.add_callback(over.set)
    over.wait()
    call.over(None)
    yield from ()


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Break": grpc.unary_stream_rpc_method_handler(break_off),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
}

server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", METHODS),))
address = f"127.0.0.1:{sys.argv[1]}"
if sys.argv[3:]:
    certificate, key = (Path(name).read_bytes() for name in sys.argv[3:])
    server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
else:
    server.add_insecure_port(address)
server.start()
server.wait_for_termination()
