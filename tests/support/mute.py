"""A client of the native protocol over a plain socket, that reads nothing once it has begun."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from eventflux_runtime.protocol.core.machine import Role
from eventflux_runtime.protocol.native.core.connection import Connection
from eventflux_runtime.protocol.native.core.settings import Settings
from eventflux_runtime.rpc.endpoint import parse_endpoint
from eventflux_runtime.rpc.metadata import EMPTY_METADATA
from eventflux_runtime.rpc.method import AnyMethod
from eventflux_transport import EventRequest, HeartbeatRequest
from eventflux_transport.methods import TRANSPORT_HEARTBEAT, TRANSPORT_STREAM_EVENTS

LARGE = 2**31 - 1
BUFFER_BYTES = 64 * 1024
"""What the system keeps for a peer that does not read, so that a server soon has to."""
TIMEOUT_S = 20.0
CHUNK_BYTES = 256 * 1024


def raw_socket(url: str, context: ssl.SSLContext | None = None) -> socket.socket:
    """A connected socket that blocks, with a small buffer for what it does not read."""
    endpoint = parse_endpoint(url)
    is_unix = endpoint.scheme == "unix"
    sock = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(TIMEOUT_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        sock.connect(endpoint.path if is_unix else (endpoint.host, endpoint.port))
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise
    return sock


class MuteClient:
    """A native client that has shaken hands. All of it blocks: call it in a thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.core = Connection(
            Role.CLIENT, Settings(stream_window=LARGE, connection_window=LARGE), now=time.monotonic()
        )
        self.flush()
        while self.core.peer_settings is None:
            self.core.receive_data(sock.recv(CHUNK_BYTES), time.monotonic())

    def flush(self) -> None:
        """Sends what is queued."""
        self.sock.sendall(self.core.data_to_send())

    def stream_events(self, node_id: str, batch_size: int) -> int:
        """Calls the method of that name; the id of its stream."""
        request = EventRequest(node_id=node_id, batch_size=batch_size)
        return self._open(TRANSPORT_STREAM_EVENTS, request)

    def heartbeat(self, timeout_us: int = -1) -> int:
        """Calls the method of that name; the id of its stream."""
        return self._open(TRANSPORT_HEARTBEAT, HeartbeatRequest(), timeout_us)

    def _open(self, method: AnyMethod, request: EventRequest | HeartbeatRequest, timeout_us: int = -1) -> int:
        peer = self.core.peer_settings
        assert peer is not None
        stream_id = self.core.open(
            peer.find_method(method.path), timeout_us, EMPTY_METADATA, request, method.request.encode
        )
        self.flush()
        return stream_id

    def read_all(self) -> bytes:
        """What the server sent until it closed, or cut the connection."""
        received = bytearray()
        try:
            while data := self.sock.recv(CHUNK_BYTES):
                received += data
        except (ConnectionError, ssl.SSLError):
            pass
        return bytes(received)


@contextmanager
def mute_client(url: str, context: ssl.SSLContext | None = None) -> Iterator[MuteClient]:
    """A client of a server at `url`."""
    with raw_socket(url, context) as sock:
        yield MuteClient(sock)
