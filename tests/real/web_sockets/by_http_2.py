"""Speaks WebSocket over HTTP/2 (RFC 8441) with a server that gives back what it is sent, and sees that it does.

Arguments: ADDRESS --case NAME [STATUS] [--authority HOST] [--path PATH] [--get PATH] [--ca FILE]
[--header NAME=VALUE ...]. Speaks TLS if it is told what to trust, else begins with HTTP/2 at once. Prints `ok NAME`, or
says what was wrong and exits with 1.
"""

import argparse
import os
import sys

from h2.exceptions import H2Error
from h2_streams import Broken, Connection, Stream, expect
from wsproto.utilities import ProtocolError

LARGE = 1 << 20


class Cases:
    def __init__(self, connection, path, get):
        self.connection, self.path, self.get = connection, path, get

    def echo(self):
        socket = self.connection.websocket(self.path)
        for message in ["a", "你好，👋", b"\0\xff", "x" * 125, "x" * 126, b"y" * 65535, b"y" * 65536]:
            self.connection.echo((socket, message))
        for payload in [b"", b"\0\xff", b"p" * 125]:
            self.connection.ping(socket, payload)
        self.connection.close(socket)

    def large(self):
        """Far more than the windows: neither side may send faster than the other takes."""
        socket = self.connection.websocket(self.path)
        self.connection.echo((socket, os.urandom(LARGE)))
        self.connection.close(socket)

    def many_streams(self):
        """Two WebSockets and an ordinary request go on beside each other, and one is left when the other is over."""
        first, second = self.connection.websocket(self.path), self.connection.websocket(self.path)
        got = self.connection.open(Stream, "GET", self.get, end=True)
        for number in range(20):
            self.connection.echo((first, f"first {number}"), (second, f"second {number}"))
        self.connection.echo((first, os.urandom(LARGE)), (second, os.urandom(LARGE)))
        self.connection.wait(lambda: got.ended, "the answer to GET")
        print(f"GET {got.status}, {len(got.body)} bytes")
        self.connection.close(first)
        self.connection.echo((second, "alone"))
        self.connection.close(second)

    def refused(self, status):
        expect("status", self.connection.ask_for_websocket(self.path).status, int(status))

    def no_protocol(self):
        if self.connection.announces_websockets():
            raise Broken("the server announces SETTINGS_ENABLE_CONNECT_PROTOCOL")
        print("the server does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--case", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--authority")
    parser.add_argument("--path", default="/")
    parser.add_argument("--get", default="/")
    parser.add_argument("--ca")
    parser.add_argument("--header", nargs="+", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    name, *further = arguments.case
    if name not in vars(Cases):
        parser.error(f"no such case: {name}")
    fields = [tuple(pair.split("=", 1)) for pair in arguments.header]
    try:
        connection = Connection(arguments.address, arguments.authority or arguments.address, arguments.ca, fields)
        getattr(Cases(connection, arguments.path, arguments.get), name)(*further)
    except (Broken, H2Error, ProtocolError, OSError) as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
    print(f"ok {name}")
