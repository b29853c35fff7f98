"""Two connections wired together without a network, and raw frames to feed to one."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeVar

from librt.strings import BytesWriter

from eventflux_runtime.protocol.core.event import Event, MessageReceived, StatusReceived
from eventflux_runtime.protocol.native.core import Connection, MethodEntry, Role, Settings
from eventflux_runtime.protocol.native.core.event import MethodOpened
from eventflux_runtime.protocol.native.core.frame import HEADER_BYTES, HELLO, PREFACE

E = TypeVar("E", bound=Event)

METHODS = (MethodEntry("/shop.Stock/Get", 0x1122334455667788), MethodEntry("/shop.Stock/Watch", 0xFFFFFFFFFFFFFFFE))


def write(message: bytes, writer: BytesWriter) -> None:
    """The codec of these tests: a message is its bytes."""
    writer.write(message)


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """The bytes of one frame, made without the code under test."""
    return struct.pack("<IBBI", len(payload), kind, flags, stream_id) + payload


def hello(
    settings: dict[int, int] | None = None,
    methods: tuple[MethodEntry, ...] = (),
    compressions: bytes = b"",
    version: tuple[int, int] = (1, 0),
) -> bytes:
    """A HELLO payload, made without the code under test."""
    pairs = settings or {}
    payload = struct.pack("<HHH", *version, len(pairs))
    payload += b"".join(struct.pack("<HQ", key, value) for key, value in pairs.items())
    payload += bytes([len(compressions)]) + compressions + struct.pack("<H", len(methods))
    for entry in methods:
        path = entry.path.encode()
        payload += struct.pack("<H", len(path)) + path + struct.pack("<Q", entry.fingerprint)
    return payload


def greeting(settings: dict[int, int] | None = None, methods: tuple[MethodEntry, ...] = ()) -> bytes:
    """Preface and HELLO of a side that announces these settings, by their keys."""
    return PREFACE + frame(HELLO, payload=hello(settings, methods))


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """The frames of `data`, behind a preface if there is one: kind, flags, stream id, payload."""
    position = len(PREFACE) if data.startswith(PREFACE) else 0
    found = []
    while position < len(data):
        size, kind, flags, stream_id = struct.unpack_from("<IBBI", data, position)
        position += HEADER_BYTES
        assert position + size <= len(data), "a frame is cut short"
        found.append((kind, flags, stream_id, data[position : position + size]))
        position += size
    return found


def content(event: MethodOpened | MessageReceived | StatusReceived) -> bytes:
    """The message that an event brought."""
    return event.data[event.start : event.end]


@dataclass
class Pair:
    """A client and a server; `client_events` and `server_events` are what each has seen and `take` has not taken."""

    client: Connection
    server: Connection
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


def make_pair(client: Settings | None = None, server: Settings | None = None) -> Pair:
    """Two connections past their handshake."""
    pair = Pair(
        Connection(Role.CLIENT, client or Settings(), now=0.0),
        Connection(Role.SERVER, server or Settings(), METHODS, now=0.0),
    )
    pair.settle()
    assert pair.client.is_ready
    assert pair.server.is_ready
    pair.client_events.clear()
    pair.server_events.clear()
    return pair


def make_server(settings: Settings | None = None, client: dict[int, int] | None = None) -> Connection:
    """A server past the handshake with a client that announced these settings; its own greeting is dropped."""
    server = Connection(Role.SERVER, settings or Settings(), METHODS, now=0.0)
    server.receive_data(greeting(client), 0.0)
    server.data_to_send()
    return server


def make_client(settings: Settings | None = None, server: dict[int, int] | None = None) -> Connection:
    """A client past the handshake with a server that announced these settings; its own greeting is dropped."""
    client = Connection(Role.CLIENT, settings or Settings(), now=0.0)
    client.receive_data(greeting(server, METHODS), 0.0)
    client.data_to_send()
    return client
