"""A WebSocket server that gives back what it is sent, and at some paths does more.

Arguments: ADDRESS. At /close/CODE it closes at once, with that code and a reason. At /fragments it gives back each
fragment as one. At /push it answers a message only after a ping, with the message as its payload, has come back. Says
`listening`, and then `opened PATH` and `closed CODE REASON`; 1006 is an end without any goodbye.
"""

import argparse
import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

# The longest that fits beside a code: 41 characters of three bytes.
REASON = "因为店铺打烊了" * 5 + "明天再来吧！"
LARGEST = 32 << 20
# A server that was forgotten does not go on for ever.
LIFETIME = 600


def say(words):
    print(words, flush=True)


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def fragments(connection):
    while True:
        await connection.send(connection.recv_streaming())


async def push(connection):
    async for message in connection:
        await (await connection.ping(message))
        await connection.send(f"pushed {message}")


async def handle(connection):
    path = connection.request.path.split("?")[0]
    say(f"opened {path}")
    try:
        if path.startswith("/close/"):
            await connection.close(int(path.removeprefix("/close/")), REASON)
        else:
            await {"/fragments": fragments, "/push": push}.get(path, echo)(connection)
    except ConnectionClosed:
        # How it ended is told below.
        pass
    await connection.wait_closed()
    say(f"closed {connection.close_code} {connection.close_reason}")


def select(_connection, offered):
    """The protocol `echo` where it is offered; none is needed."""
    return "echo" if "echo" in offered else None


async def main(host, port):
    async with serve(handle, host, port, max_size=LARGEST, select_subprotocol=select):
        say("listening")
        await asyncio.sleep(LIFETIME)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    host, port = parser.parse_args().address.rsplit(":", 1)
    asyncio.run(main(host, int(port)))
