"""Talks to the WebSocket server in one way, and sees that what came back is what that server sends.

Arguments: URI --case NAME [STATUS] [--host HOST:PORT] [--ca FILE] [--header NAME=VALUE ...]. Connects to --host where
the URI names somebody whom no name server knows. Prints `ok NAME`, or says what was wrong and exits with 1.
"""

import argparse
import asyncio
import os
import ssl
import sys
from urllib.parse import urljoin

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

# As the server has it.
REASON = "因为店铺打烊了" * 5 + "明天再来吧！"
CODES = [1000, 1001, 1008, 1011, 3000, 4999]
LARGE = 16 << 20
LARGEST = 32 << 20
# A case takes no longer, and after it, the goodbye no longer than that.
PATIENCE = 7
GOODBYE = 3


class Broken(Exception):
    """Something that was promised has not held."""


def expect(what, seen, wanted):
    if seen != wanted:
        raise Broken(f"{what}: {seen!r}, not {wanted!r}"[:2000])


class Answered(connect):
    """Takes the answer to the handshake for what it is: the package would follow it elsewhere."""

    def process_redirect(self, exc):
        return exc


class Cases:
    def __init__(self, uri, options):
        self.uri, self.options = uri, options

    def at(self, path="", **more):
        """A connection to the URI, or to another path there."""
        uri = urljoin(self.uri, path)
        return Answered(uri, max_size=LARGEST, close_timeout=GOODBYE, proxy=None, **self.options, **more)

    async def echo(self):
        async with self.at() as socket:
            expect("extensions", [extension.name for extension in socket.protocol.extensions], ["permessage-deflate"])
            for message in ["", "a", "你好，👋", b"", b"\0\xff", "x" * 125, "x" * 126, b"y" * 65535, b"y" * 65536]:
                await socket.send(message)
                expect("echo", await socket.recv(), message)

    async def fragments(self):
        """Fragments come back one by one; between two of them, a ping is answered."""
        async with self.at("/fragments") as socket:
            text, binary = [f"片段{n} " for n in range(200)], [bytes([n]) * (n + 1) for n in range(200)]
            for pieces in [text, binary]:
                async def with_pings():
                    for number, piece in enumerate(pieces):
                        if number % 50 == 25:
                            await (await socket.ping())
                        yield piece

                sending = asyncio.create_task(socket.send(with_pings()))
                # Either side ends its message with a fragment of no bytes.
                expect("fragments", [piece async for piece in socket.recv_streaming() if piece], pieces)
                await sending

    async def ping(self):
        async with self.at("/push") as socket:
            for payload in [b"", b"\0\xff", b"p" * 125]:
                latency = await (await socket.ping(payload))
                if not 0 < latency < PATIENCE:
                    raise Broken(f"a pong after {latency} s")
                print(f"a pong after {latency * 1000:.2f} ms")
            # Each comes only after our pong has been to the server.
            for number in range(20):
                await socket.send(f"{number}")
                expect("push", await socket.recv(), f"pushed {number}")

    async def close_codes(self):
        for code in CODES:
            async with self.at(f"/close/{code}") as socket:
                try:
                    raise Broken(f"{await socket.recv()!r}, where it should have been closed")
                except ConnectionClosed as end:
                    expect("by the server", (end.rcvd.code, end.rcvd.reason) if end.rcvd else end, (code, REASON))
            # The server sends back the very code and reason that it got.
            socket = await self.at()
            await socket.close(code, REASON)
            expect("by the client", (socket.close_code, socket.close_reason), (code, REASON))

    async def large(self):
        # Compressed, it would be small.
        message = os.urandom(LARGE)
        async with self.at(compression=None) as socket:
            sending = asyncio.create_task(socket.send(message))
            if await socket.recv() != message:
                raise Broken("what was sent has not come back")
            await sending

    async def many(self):
        async def send_all(socket):
            for number in range(1000):
                await socket.send(f"{number}")

        async with self.at() as socket:
            sending = asyncio.create_task(send_all(socket))
            for number in range(1000):
                expect("message", await socket.recv(), f"{number}")
            await sending

    async def subprotocol(self):
        for offered, chosen in [(["mqtt", "echo"], "echo"), (["mqtt"], None), (None, None)]:
            async with self.at(subprotocols=offered) as socket:
                expect(f"of {offered}", socket.subprotocol, chosen)

    async def refused(self, status):
        try:
            async with self.at():
                raise Broken("the handshake was answered with 101")
        except InvalidStatus as answer:
            expect("status", answer.response.status_code, int(status))


def options(arguments):
    """What every connection is made with."""
    made = {"additional_headers": [tuple(pair.split("=", 1)) for pair in arguments.header]}
    if arguments.host:
        made["host"], port = arguments.host.rsplit(":", 1)
        made["port"] = int(port)
    if arguments.ca:
        made["ssl"] = ssl.create_default_context(cafile=arguments.ca)
        # Browsers that mean to open a WebSocket by HTTP/1.1 say so.
        made["ssl"].set_alpn_protocols(["http/1.1"])
    return made


async def run(case, *further):
    async with asyncio.timeout(PATIENCE):
        await case(*further)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("--case", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--host")
    parser.add_argument("--ca")
    parser.add_argument("--header", nargs="+", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    name, *further = arguments.case
    if name not in vars(Cases):
        parser.error(f"no such case: {name}")
    try:
        asyncio.run(run(getattr(Cases(arguments.uri, options(arguments)), name), *further))
    except TimeoutError:
        sys.exit(f"{name}: not over after {PATIENCE} s")
    except (Broken, WebSocketException, OSError) as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
    print(f"ok {name}")
