"""Two gRPC machines wired together without a network, and raw frames to feed to one of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeVar

from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple
from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.event import Event, MessageReceived, StatusReceived
from eventflux_runtime.protocol.grpc.http2.client_machine import ClientMachine
from eventflux_runtime.protocol.grpc.http2.event import RequestOpened
from eventflux_runtime.protocol.grpc.http2.server_machine import ServerMachine
from eventflux_runtime.protocol.grpc.http2.settings import Settings
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata

E = TypeVar("E", bound=Event)
Fields = list[tuple[str, str]]

# The wire in the tests' own words, so that a wrong number in the runtime shows.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
WHOLE = END_HEADERS | END_STREAM
PATH = "/shop.Stock/Get"
REQUEST: Fields = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PATH),
    (":authority", "localhost:7070"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
RESPONSE: Fields = [(":status", "200"), ("content-type", "application/grpc")]
OK_TRAILERS: Fields = [("grpc-status", "0")]
LIMIT = 2**31 - 1


def write(message: bytes, writer: BytesWriter) -> None:
    """The codec of these tests: a message is its bytes."""
    writer.write(message)


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """The bytes of one frame, made without the code under test."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


def block(fields: Fields) -> bytes:
    """A header block that needs no table and changes none, so that it may be sent again anywhere."""
    tuples: list[HeaderTuple] = [NeverIndexedHeaderTuple(name, value) for name, value in fields]
    return bytes(Encoder().encode(tuples))


def headers(stream_id: int, fields: Fields, *, end: bool = False) -> bytes:
    """A HEADERS frame with a whole block."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block(fields))


def prefixed(message: bytes, flag: int = 0) -> bytes:
    """A message behind gRPC's prefix."""
    return struct.pack(">BI", flag, len(message)) + message


def data(stream_id: int, payload: bytes, *, end: bool = False) -> bytes:
    """A DATA frame without padding."""
    return frame(DATA, END_STREAM if end else 0, stream_id, payload)


def padded(payload: bytes, padding: int) -> bytes:
    """The payload of a padded frame."""
    return bytes([padding]) + payload + bytes(padding)


def settings(*parameters: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in parameters))


def window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


def rst_stream(stream_id: int, code: int) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, struct.pack(">I", code))


def go_away(last_stream_id: int, code: int, text: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last_stream_id, code) + text)


def frames(sent: bytes) -> list[tuple[int, int, int, bytes]]:
    """The frames of what was sent, behind a preface if there is one: kind, flags, stream id, payload."""
    position = len(PREFACE) if sent.startswith(PREFACE) else 0
    found = []
    while position < len(sent):
        size = int.from_bytes(sent[position : position + 3], "big")
        kind, flags, stream_id = struct.unpack_from(">BBI", sent, position + 3)
        position += 9
        assert position + size <= len(sent), "a frame is cut short"
        found.append((kind, flags, stream_id, sent[position : position + size]))
        position += size
    return found


def content(event: RequestOpened | MessageReceived | StatusReceived) -> bytes:
    """The message that an event brought."""
    return event.data[event.start : event.end]


@dataclass
class Pair:
    """A client and a server; `client_events` and `server_events` are what each has seen and `take` has not taken."""

    client: ClientMachine
    server: ServerMachine
    now: float = 0.0
    client_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)

    def to_server(self) -> None:
        """Moves what the client has queued."""
        self.server_events += self.server.receive_data(self.client.data_to_send(), self.now)

    def to_client(self) -> None:
        """Moves what the server has queued."""
        self.client_events += self.client.receive_data(self.server.data_to_send(), self.now)

    def settle(self) -> None:
        """Moves bytes until none are left."""
        while self.client.has_output or self.server.has_output:
            self.to_server()
            self.to_client()

    def take(self, side: list[Event], kind: type[E]) -> E:
        """The first event of a side, which has to be of this kind."""
        event = side.pop(0)
        assert isinstance(event, kind), event
        return event


def new_client(limits: Settings | None = None, now: float = 0.0) -> ClientMachine:
    """A client whose preface is in its output."""
    return ClientMachine(limits or Settings(), scheme="http", authority="localhost:7070", user_agent="tests", now=now)


def open_call(
    client: ClientMachine, message: bytes | None = None, *, end: bool = False, metadata: Metadata = EMPTY_METADATA
) -> int:
    """Begins a call of `PATH` without a deadline."""
    encode = write if message is not None else None
    return client.open(client.route(PATH), -1, metadata, message or b"", encode, end)


def make_pair(client: Settings | None = None, server: Settings | None = None) -> Pair:
    """Two machines past their handshake."""
    pair = Pair(new_client(client), ServerMachine(server or Settings(), now=0.0))
    pair.settle()
    assert pair.client.is_ready
    assert pair.server.is_ready
    pair.client_events.clear()
    pair.server_events.clear()
    return pair


def make_server(limits: Settings | None = None, *parameters: tuple[int, int], now: float = 0.0) -> ServerMachine:
    """A server past the handshake with a client that announced these; its own greeting is dropped."""
    server = ServerMachine(limits or Settings(), now=now)
    server.receive_data(PREFACE + settings(*parameters), now)
    server.data_to_send()
    return server


def make_client(limits: Settings | None = None, *parameters: tuple[int, int], now: float = 0.0) -> ClientMachine:
    """A client past the handshake with a server that announced these; its own greeting is dropped."""
    client = new_client(limits, now)
    client.receive_data(settings(*parameters), now)
    client.data_to_send()
    return client


def server_with_call(limits: Settings | None = None, *parameters: tuple[int, int]) -> ServerMachine:
    """A server on which stream 1 is open and has brought nothing yet."""
    server = make_server(limits, *parameters)
    server.receive_data(headers(1, REQUEST), 0.0)
    return server


def client_with_call(limits: Settings | None = None, *parameters: tuple[int, int]) -> ClientMachine:
    """A client on which stream 1 is open and has sent nothing yet."""
    client = make_client(limits, *parameters)
    open_call(client)
    client.data_to_send()
    return client
