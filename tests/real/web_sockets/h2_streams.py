"""One HTTP/2 connection of a client, on whose streams it speaks WebSocket (RFC 8441)."""

import socket
import ssl
import time

import wsproto.connection
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RemoteSettingsChanged, ResponseReceived
from h2.events import StreamEnded, StreamReset
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage

PATIENCE = 10


class Broken(Exception):
    """Something that was promised has not held."""


def expect(what, seen, wanted):
    if seen != wanted:
        raise Broken(f"{what}: {seen!r}, not {wanted!r}"[:2000])


class Stream:
    """A request: what has come on its stream, and what is still to be sent."""

    def __init__(self, number):
        self.number, self.outgoing, self.body = number, bytearray(), bytearray()
        self.status, self.ended, self.reset = None, False, None

    def take(self, data):
        self.body += data


class WebSocket(Stream):
    def __init__(self, number):
        super().__init__(number)
        self.frames, self.partial = wsproto.connection.Connection(ConnectionType.CLIENT), []
        self.messages, self.pongs, self.goodbye = [], [], None

    def send(self, event):
        self.outgoing += self.frames.send(event)

    def take(self, data):
        if self.status != 200:
            return super().take(data)
        self.frames.receive_data(data)
        for event in self.frames.events():
            if isinstance(event, Message):
                self.partial.append(event.data)
                if event.message_finished:
                    self.messages.append(type(event.data)().join(self.partial))
                    self.partial = []
            elif isinstance(event, Ping):
                self.send(event.response())
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                self.goodbye = (event.code, event.reason)
                if self.frames.state is not ConnectionState.CLOSED:
                    raise Broken(f"a goodbye that is no answer to ours: {self.goodbye!r}")


class Connection:
    def __init__(self, address, authority, ca, fields):
        host, port = address.rsplit(":", 1)
        self.over = time.monotonic() + PATIENCE
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.authority, self.fields, self.scheme = authority, fields, "https" if ca else "http"
        if ca:
            trust = ssl.create_default_context(cafile=ca)
            trust.set_alpn_protocols(["h2"])
            self.socket = trust.wrap_socket(self.socket, server_hostname=authority.rsplit(":", 1)[0])
            expect("ALPN", self.socket.selected_alpn_protocol(), "h2")
        self.h2, self.streams, self.settled = H2Connection(H2Configuration(header_encoding="utf-8")), {}, False
        self.h2.initiate_connection()
        self.wait(lambda: self.settled, "the server's SETTINGS")

    def announces_websockets(self):
        return self.h2.remote_settings.enable_connect_protocol == 1

    def open(self, kind, method, path, pseudo=(), fields=(), end=False):
        stream = kind(self.h2.get_next_available_stream_id())
        self.streams[stream.number] = stream
        target = [(":scheme", self.scheme), (":path", path), (":authority", self.authority)]
        whole = [(":method", method), *pseudo, *target, *fields, *self.fields]
        self.h2.send_headers(stream.number, whole, end_stream=end)
        return stream

    def ask_for_websocket(self, path):
        self.wait(self.announces_websockets, "SETTINGS_ENABLE_CONNECT_PROTOCOL")
        version = [("sec-websocket-version", "13")]
        stream = self.open(WebSocket, "CONNECT", path, [(":protocol", "websocket")], version)
        self.wait(lambda: stream.status, "the answer to CONNECT")
        return stream

    def websocket(self, path):
        stream = self.ask_for_websocket(path)
        expect("status", stream.status, 200)
        return stream

    def wait(self, condition, what):
        """Sends and takes what there is until the condition holds."""
        while True:
            self.send()
            if condition():
                return
            for stream in self.streams.values():
                if stream.reset is not None and not stream.ended:
                    raise Broken(f"stream {stream.number} was reset with {stream.reset}, instead of {what}")
            self.socket.settimeout(max(self.over - time.monotonic(), 0.001))
            try:
                received = self.socket.recv(1 << 16)
            except TimeoutError:
                raise Broken(f"waited in vain for {what}") from None
            if not received:
                raise Broken(f"the connection ended, instead of {what}")
            # A peer that sends more than the windows allow is found out here.
            for event in self.h2.receive_data(received):
                self.take(event)

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, ResponseReceived):
            stream.status = int(dict(event.headers)[":status"])
        elif isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            # A stream's end comes without bytes, when a WebSocket may take none any more.
            if event.data:
                stream.take(event.data)
        elif isinstance(event, StreamEnded):
            stream.ended = True
        elif isinstance(event, StreamReset):
            stream.reset = event.error_code
        elif isinstance(event, ConnectionTerminated) and event.error_code:
            raise Broken(f"GOAWAY with {event.error_code!r}: {event.additional_data!r}")

    def send(self):
        """As much as the windows allow."""
        for stream in self.streams.values():
            while stream.outgoing and stream.reset is None:
                window = self.h2.local_flow_control_window(stream.number)
                size = min(len(stream.outgoing), window, self.h2.max_outbound_frame_size)
                if size <= 0:
                    break
                self.h2.send_data(stream.number, bytes(stream.outgoing[:size]))
                del stream.outgoing[:size]
        self.socket.sendall(self.h2.data_to_send())

    def echo(self, *pairs):
        """Sends a message on each of these streams, and has all come back."""
        for stream, message in pairs:
            stream.send(TextMessage(message) if isinstance(message, str) else BytesMessage(message))
        for stream, message in pairs:
            self.wait(lambda: stream.messages, "a message")
            if (seen := stream.messages.pop()) != message:
                raise Broken(f"what was sent has not come back, but {seen!r}"[:2000])

    def ping(self, stream, payload):
        stream.send(Ping(payload))
        self.wait(lambda: stream.pongs, "a pong")
        expect("pong", stream.pongs.pop(), payload)

    def close(self, stream):
        """Both say goodbye, and both ends of the stream end in order, as TCP connections do."""
        stream.send(CloseConnection(1000, "再见"))
        self.wait(lambda: stream.goodbye, "a goodbye")
        expect("goodbye", stream.goodbye, (1000, "再见"))
        self.wait(lambda: stream.ended, "the stream's end")
        if stream.reset is None:
            self.h2.end_stream(stream.number)
        self.send()
