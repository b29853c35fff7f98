"""EventFlux's TCP transport: length-prefixed messages, one socket a connection, Python or Rust at the other end.

It starts no task of its own, and reads nothing that nobody waits for.
"""

from __future__ import annotations

import socket
from typing import TypeVar

import anyio
import anyio.lowlevel

from eventflux_runtime.net.connecting import connecting, why_not
from eventflux_runtime.net.dial import dial_tcp
from eventflux_runtime.net.resolve import shown_host
from eventflux_runtime.net.socket import apply_options, bind_tcp
from eventflux_runtime.net.socket_stream import SocketStream
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import TcpPeerConfig
from eventflux_runtime.peer.pooled import PooledTransport
from eventflux_runtime.peer.tcp_link import TcpLink
from eventflux_runtime.peer.transport import Link, LinkListener
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.rpc_error import Unavailable

__all__ = ["TcpListener", "TcpPeerTransport"]

M = TypeVar("M")


class TcpPeerTransport(PooledTransport[M]):
    """A `PeerTransport` in EventFlux's frames over TCP."""

    _binding: PeerBinding[M]
    """Set by the subclass that binds a message type."""
    _scheme = "tcp"

    def __init__(self, config: TcpPeerConfig | None = None) -> None:
        super().__init__()
        self.config = config if config is not None else TcpPeerConfig()

    async def _open(self, endpoint: Endpoint) -> Link[M]:
        timeout_ms = self.config.connection_timeout_ms
        with connecting(endpoint, timeout_ms / 1000, f"connection_timeout_ms={timeout_ms}"):
            sock = await dial_tcp(endpoint, self.config.socket, self.config.keepalive)
        return TcpLink(SocketStream(sock), endpoint.address, self._binding.codec, self.config)

    async def _bind(self, endpoint: Endpoint) -> LinkListener[M]:
        # A name may have several addresses. One listener has one, as in EventFlux.
        first, *others = await bind_tcp(endpoint, self.config.socket)
        for sock in others:
            sock.close()
        return TcpListener(first, self._binding, self.config)


class TcpListener(LinkListener[M]):
    """A bound socket, which it owns."""

    def __init__(self, sock: socket.socket, binding: PeerBinding[M], config: TcpPeerConfig) -> None:
        self._socket = sock
        self._binding = binding
        self._config = config
        self._accepting = anyio.Lock()
        self._is_closed = False
        self.local_addr = _address(sock.getsockname())

    def __del__(self) -> None:
        # EventFlux's listener has no close; it ends when it is dropped, and so does this one.
        self._socket.close()

    async def accept(self) -> tuple[Link[M], str]:
        """See `LinkListener.accept`."""
        try:
            async with self._accepting:
                sock, name = await self._next()
        except anyio.ClosedResourceError:
            raise Unavailable(f"the listener on {self.local_addr} was closed") from None
        except OSError as error:
            raise Unavailable(f"cannot accept on {self.local_addr}: {why_not(error)}") from None
        address = _address(name)
        return TcpLink(SocketStream(sock), address, self._binding.codec, self._config), address

    async def _next(self) -> tuple[socket.socket, object]:
        await anyio.lowlevel.checkpoint()
        while not self._is_closed:
            try:
                sock, name = self._socket.accept()
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
                continue
            except ConnectionAbortedError:
                continue  # the peer has gone before its turn came
            try:
                apply_options(sock, self._config.socket, self._config.keepalive)
            except OSError:
                sock.close()  # it has gone since
                continue
            return sock, name
        raise anyio.ClosedResourceError

    async def aclose(self) -> None:
        """See `LinkListener.aclose`."""
        if not self._is_closed:
            self._is_closed = True
            anyio.notify_closing(self._socket)
            self._socket.close()
        await anyio.lowlevel.checkpoint()


def _address(address: object) -> str:
    assert isinstance(address, tuple)
    host, port = shown_host(address), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
