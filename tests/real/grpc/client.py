"""Makes gRPC calls of one kind, and sees that what the service promises has held on the way there and back.

Arguments: ADDRESS --case NAME [CODE] [--authority HOST] [--ca FILE] [--metadata NAME=VALUE ...]. Speaks TLS if it is
told what to trust. Prints `ok NAME`, or says what was wrong and exits with 1.
"""

import argparse
import base64
import faulthandler
import json
import os
import queue
import sys
import threading
import time

import grpc

SERVICE = "shop.Test"
LARGE = 3 << 20
# A call takes no longer; the program as a whole, whatever it waits for, neither: it would say where it was.
PATIENCE = 8
WHOLE = 10


class Broken(Exception):
    """Something that was promised has not held."""


def expect(what, seen, wanted):
    if seen != wanted:
        raise Broken(f"{what}: {seen!r}, not {wanted!r}"[:2000])


class Calls:
    """What the cases are made of."""

    def __init__(self, channel, metadata):
        self.channel, self.extra = channel, metadata

    def method(self, kind, name):
        return getattr(self.channel, kind)(f"/{SERVICE}/{name}")

    def call(self, name, request=b"", timeout=PATIENCE, more=()):
        """A call of one message each way. It is under way when this returns."""
        return self.method("unary_unary", name).future(request, timeout, metadata=[*self.extra, *more])

    def sleep(self, name, timeout=PATIENCE):
        return self.method("unary_stream", "Sleep")(name, timeout, metadata=self.extra)

    def failure(self, call):
        """A call that has to fail, once it has."""
        error = call.exception()
        if error is None:
            raise Broken(f"answered {call.result()[:200]!r}, where it should have failed")
        return error


class Cases(Calls):
    def unary(self):
        for request in [b"", b"\0", "你好".encode(), bytes(range(256))]:
            expect("echo", self.call("Unary", request).result(), request)

    def server_stream(self):
        stream = self.method("unary_stream", "ServerStream")
        for count in [0, 1, 500]:
            messages = list(stream(b"%d" % count, PATIENCE, metadata=self.extra))
            expect("messages", messages, [b"%d" % number for number in range(count)])

    def client_stream(self):
        stream = self.method("stream_unary", "ClientStream")
        for count in [0, 1, 500]:
            messages = [b"%d," % number for number in range(count)]
            expect("all", stream(iter(messages), PATIENCE, metadata=self.extra), b"".join(messages))

    def bidi(self):
        """Sends each message only once the one before it has been answered: nothing on the way may wait for more."""
        outgoing = queue.SimpleQueue()
        answers = self.method("stream_stream", "Bidi")(iter(outgoing.get, None), PATIENCE, metadata=self.extra)
        for number in range(100):
            outgoing.put(b"%d" % number)
            expect("answer", next(answers), b"%d" % number)
        outgoing.put(None)
        expect("after the last", list(answers), [])
        expect("status", answers.code(), grpc.StatusCode.OK)

    def deadline(self):
        name, begun = os.urandom(8), time.monotonic()
        failure = self.failure(self.sleep(name, timeout=1))
        expect("status", failure.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        if not 0.9 < time.monotonic() - begun < 4:
            raise Broken(f"over after {time.monotonic() - begun} s, not 1 s")
        expect("end at the server", self.call("Ended", name).result(), b"expired")

    def cancel(self):
        """The connection stays meanwhile: the end of the one call alone has to reach the server."""
        name = os.urandom(8)
        call = self.sleep(name)
        expect("begin", dict(call.initial_metadata()).get("x-sleeping"), "yes")
        call.cancel()
        expect("status", call.code(), grpc.StatusCode.CANCELLED)
        expect("end at the server", self.call("Ended", name).result(), b"cancelled")

    def fail(self):
        failure = self.failure(self.call("Fail"))
        expect("status", failure.code(), grpc.StatusCode.FAILED_PRECONDITION)
        expect("details", failure.details(), "库存不足：只剩 0 件")
        expect("x-reason", dict(failure.trailing_metadata()).get("x-reason"), "sold-out")

    def large(self):
        there = os.urandom(LARGE)
        if self.call("Unary", there).result() != there:
            raise Broken("what was sent has not come back")
        if self.call("Large").result() != bytes(range(256)) * (LARGE // 256):
            raise Broken("what came is not what the server sends")

    def metadata(self):
        raw = bytes(range(256))
        sent = [("x-sent", "one, and two"), ("x-twice", "a"), ("x-twice", "b"), ("x-sent-bin", raw)]
        call = self.call("Metadata", more=sent)
        told = call.result()
        print(told.decode())
        seen = {}
        for name, value in json.loads(told)["metadata"]:
            # Whoever is in between may join what has the same name.
            seen[name] = f"{seen[name]},{value}".replace(" ", "") if name in seen else value
        expect("x-sent", seen.get("x-sent"), sent[0][1])
        expect("x-twice", seen.get("x-twice"), "a,b")
        expect("x-sent-bin", seen.get("x-sent-bin"), base64.b64encode(raw).decode())
        initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
        expect("initial", (initial.get("x-initial"), initial.get("x-initial-bin")), ("begin", raw))
        expect("trailing", (trailing.get("x-trailing"), trailing.get("x-trailing-bin")), ("end", raw[::-1]))

    def many(self):
        """Two hundred calls at once on one connection, begun by four threads."""
        calls = queue.SimpleQueue()

        def begin(first):
            for number in range(first, 200, 4):
                calls.put((number, self.call("Unary", b"%d" % number)))

        threads = [threading.Thread(target=begin, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = dict(calls.get() for _ in range(200))
        expect("answers", {n: call.result() for n, call in answers.items()}, {n: b"%d" % n for n in range(200)})

    def unavailable(self):
        self.status("UNAVAILABLE")

    def status(self, code):
        failure = self.failure(self.call("Unary", b"x"))
        print(f"{failure.code().name}: {failure.details()}")
        expect("status", failure.code().name, code)


def channel(address, authority, ca):
    # A connection of its own, and the proxies that the shell names are not asked.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    if authority:
        options.append(("grpc.default_authority", authority))
    if ca is None:
        return grpc.insecure_channel(address, options)
    if authority:
        # The certificate is for the host alone.
        options.append(("grpc.ssl_target_name_override", authority.rsplit(":", 1)[0]))
    with open(ca, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--case", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--authority")
    parser.add_argument("--ca")
    parser.add_argument("--metadata", nargs="+", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    case, *code = arguments.case
    if case not in vars(Cases):
        parser.error(f"no such case: {case}")
    faulthandler.dump_traceback_later(WHOLE, exit=True)
    with channel(arguments.address, arguments.authority, arguments.ca) as opened:
        cases = Cases(opened, [tuple(pair.split("=", 1)) for pair in arguments.metadata])
        try:
            getattr(cases, case)(*code)
        except (Broken, grpc.RpcError) as error:
            sys.exit(f"{case}: {error}")
    print(f"ok {case}")
