"""A gRPC service with every kind of call. It needs no generated code: its messages are bytes, and stay as they are.

Arguments: ADDRESS [--tls CERT KEY]; without TLS it speaks HTTP/2 to whoever begins with it. Says `listening`, and then
what it notices: `deadline Sleep 7.998` (how long the client waits, or `none`), `cancelled METHOD`, `expired Sleep`.
"""

import argparse
import base64
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import grpc

SERVICE = "shop.Test"
LARGE = 3 << 20
# A client gives up a moment before the server sees the same deadline pass: by then so little of it may be left.
ROUNDING = 0.1
# Where the client has set no deadline, the time that is left is told as centuries.
NO_DEADLINE = 1e8
# Neither a call nor a server that was forgotten goes on for ever.
LONGEST_SLEEP = 60
LIFETIME = 600


def say(words):
    print(words, flush=True)


def unary(request, _context):
    return request


def server_stream(request, _context):
    return (b"%d" % number for number in range(int(request)))


def client_stream(requests, _context):
    return b"".join(requests)


def bidi(requests, _context):
    yield from requests


def fail(_request, context):
    context.set_trailing_metadata((("x-reason", "sold-out"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "库存不足：只剩 0 件")


def large(_request, _context):
    return bytes(range(256)) * (LARGE // 256)


def metadata(_request, context):
    """What came as metadata, in the order in which it came; what is binary in base64."""
    context.send_initial_metadata((("x-initial", "begin"), ("x-initial-bin", bytes(range(256)))))
    context.set_trailing_metadata((("x-trailing", "end"), ("x-trailing-bin", bytes(range(255, -1, -1)))))
    seen = [(name, base64.b64encode(value).decode() if isinstance(value, bytes) else value)
            for name, value in context.invocation_metadata()]
    return json.dumps({"peer": context.peer(), "metadata": seen}).encode()


class Sleeps:
    """Calls that end when the client or the deadline ends them, and how each did: the client gives them names."""

    def __init__(self):
        self.ends, self.lock = {}, threading.Lock()

    def end_of(self, name):
        with self.lock:
            return self.ends.setdefault(name, Future())

    def sleep(self, request, context):
        over = threading.Event()
        context.add_callback(over.set)
        left = context.time_remaining()
        say("deadline Sleep " + ("none" if left > NO_DEADLINE else f"{left:.3f}"))
        # The client hears at once that its call has arrived. Of a single answer it would hear only together with the
        # answer, so this is a stream: an empty one.
        context.send_initial_metadata((("x-sleeping", "yes"),))
        how = "slept"
        if over.wait(LONGEST_SLEEP):
            how = "cancelled" if context.time_remaining() > ROUNDING else "expired"
        say(f"{how} Sleep")
        self.end_of(request).set_result(how.encode())
        return iter(())

    def ended(self, request, _context):
        """Answers once the named call has ended."""
        return self.end_of(request).result(LONGEST_SLEEP)


def watch(name, context):
    """Tells of a call that is over before it was answered in full: before what is returned was set."""
    answered = threading.Event()
    context.add_callback(lambda: answered.is_set() or say(f"cancelled {name}"))
    return answered


def one(name, behaviour):
    """What answers with one message, watched."""
    def watched(request, context):
        answered = watch(name, context)
        answer = behaviour(request, context)
        answered.set()
        return answer

    return watched


def several(name, behaviour):
    """What answers with a stream, watched."""
    def watched(request, context):
        answered = watch(name, context)
        yield from behaviour(request, context)
        answered.set()

    return watched


def handlers():
    sleeps = Sleeps()
    return grpc.method_handlers_generic_handler(SERVICE, {
        "Unary": grpc.unary_unary_rpc_method_handler(one("Unary", unary)),
        "ServerStream": grpc.unary_stream_rpc_method_handler(several("ServerStream", server_stream)),
        "ClientStream": grpc.stream_unary_rpc_method_handler(one("ClientStream", client_stream)),
        "Bidi": grpc.stream_stream_rpc_method_handler(several("Bidi", bidi)),
        "Large": grpc.unary_unary_rpc_method_handler(one("Large", large)),
        "Metadata": grpc.unary_unary_rpc_method_handler(one("Metadata", metadata)),
        "Ended": grpc.unary_unary_rpc_method_handler(one("Ended", sleeps.ended)),
        # These two end otherwise than with an answer, and tell of it themselves.
        "Sleep": grpc.unary_stream_rpc_method_handler(sleeps.sleep),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    })


def read(path):
    with open(path, "rb") as file:
        return file.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    arguments = parser.parse_args()
    # By default two servers would share one port, and each get some of the connections.
    server = grpc.server(ThreadPoolExecutor(32), [handlers()], options=[("grpc.so_reuseport", 0)])
    if arguments.tls:
        certificate, key = map(read, arguments.tls)
        server.add_secure_port(arguments.address, grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(arguments.address)
    server.start()
    say("listening")
    server.wait_for_termination(LIFETIME)
