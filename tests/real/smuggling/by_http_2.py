"""Sends the shapes of smuggling_h2.tsv to a proxy, byte by byte as the table has them: the packages for HPACK and for
frames judge nothing. Each has a connection of its own, on which an ordinary request follows at once.

Arguments: HOST:PORT SITE TABLE. Prints a line of JSON for each shape: its number, and what came of it.
"""

import json
import socket
import sys

from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

PATIENCE = 20
SHAPE, PROBE = 1, 3


class Shape:
    """One line of the table."""

    def __init__(self, number, name, steps, site):
        self.number, self.name, self.site = number, name, site
        self.head, self.data, self.trailers = [], [], []
        for step in steps:
            self.take(step)

    def take(self, step):
        if step in ("GET", "POST"):
            self.head = self.request(step, f"/shape/{self.number:04}")
        elif step.startswith("DATA "):
            self.data.append(self.octets(step.removeprefix("DATA ")))
        elif step.startswith("TRAILER "):
            self.trailers.append(self.field(step.removeprefix("TRAILER ")))
        elif step.startswith("-:"):
            self.head = [(name, value) for name, value in self.head if name != step[1:].encode()]
        elif step.startswith("+:"):
            self.head.append(self.field(step[1:]))
        elif step.startswith(":"):
            name, value = self.field(step)
            self.head = [(found, value if found == name else before) for found, before in self.head]
        else:
            self.head.append(self.field(step))

    def request(self, method, path):
        pairs = [(":method", method), (":scheme", "http"), (":authority", self.site), (":path", path)]
        return [(name.encode(), value.encode()) for name, value in pairs]

    def field(self, text):
        # A pseudo-header's name begins with what may also end a name.
        name, value = text.split("=", 1)
        return self.octets(name), self.octets(value)

    def octets(self, text):
        smuggled = f"GET /smuggled/#### HTTP/1.1⏎Host: {self.site}⏎⏎"
        text = text.replace("{smuggled}", smuggled).replace("####", f"{self.number:04}")
        return b"".join(octets(character) for character in text)

    def frames(self, encoder):
        """All of it, on one stream."""
        head = HeadersFrame(SHAPE, encoder.encode(self.head), flags=["END_HEADERS"])
        data = [DataFrame(SHAPE, piece) for piece in self.data]
        trailers = [HeadersFrame(SHAPE, encoder.encode(self.trailers), flags=["END_HEADERS"])] if self.trailers else []
        frames = [head, *data, *trailers]
        frames[-1].flags.add("END_STREAM")
        return frames

    def probe(self, encoder):
        head = encoder.encode(self.request("GET", f"/probe/{self.number:04}"))
        return HeadersFrame(PROBE, head, flags=["END_HEADERS", "END_STREAM"])


def octets(character):
    """Pictures of control characters are those; the table knows a line end and a byte of no UTF-8 beside them."""
    at = ord(character) - 0x2400
    if 0 <= at <= 0x20:
        return bytes([at])
    return {"␡": b"\x7f", "⏎": b"\r\n", "■": b"\xff"}.get(character, character.encode())


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.buffer, self.decoder = b"", Decoder()
        # What each stream has been answered: its status, and whose answer it is.
        self.answers, self.over = {}, set()

    def converse(self, shape):
        encoder = Encoder()
        frames = [SettingsFrame(0), *shape.frames(encoder), shape.probe(encoder)]
        opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(frame.serialize() for frame in frames)
        try:
            self.socket.sendall(opening)
            while not {SHAPE, PROBE} <= self.over and (frame := self.next()):
                self.hear(frame)
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            self.socket.close()
        probe = self.answers.get(PROBE)
        state = "open" if probe == ("200", f"/probe/{shape.number:04}") else "closed"
        status, read = self.answers.get(SHAPE, ("ended", None))
        return f"{status}{'' if read else '*'} {state}", [answer[1] for answer in self.answers.values() if answer[1]]

    def hear(self, frame):
        if isinstance(frame, HeadersFrame):
            fields = dict(self.decoder.decode(frame.data))
            if ":status" in fields and not fields[":status"].startswith("1"):
                self.answers[frame.stream_id] = (fields[":status"], fields.get("x-read"))
        elif isinstance(frame, RstStreamFrame):
            self.answers.setdefault(frame.stream_id, ("reset", None))
            self.over.add(frame.stream_id)
        elif isinstance(frame, GoAwayFrame) and frame.last_stream_id < PROBE:
            self.over.add(PROBE)
        if "END_STREAM" in frame.flags:
            self.over.add(frame.stream_id)

    def next(self):
        head = self.take(9)
        if head is None:
            return None
        frame, length = Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(self.take(length) or b""))
        return frame

    def take(self, length):
        while len(self.buffer) < length:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.buffer += piece
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken


def shapes(table, site):
    with open(table, encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if not line.startswith("#"):
                name, _, *steps = line.rstrip("\n").split("\t")
                yield Shape(number, name, steps, site)


if __name__ == "__main__":
    address, site, table = sys.argv[1:]
    for shape in shapes(table, site):
        outcome, read = Connection(address).converse(shape)
        print(json.dumps({"number": shape.number, "outcome": outcome, "read": read}), flush=True)
