"""EventFlux's TCP transport: length-prefixed messages, one socket a connection, Python or Rust at the other end.

It runs on anyio's streams and starts no task of its own.
"""

from __future__ import annotations

from typing import TypeVar

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.net.resolve import shown_host
from eventflux_runtime.net.socket import apply_options, bind_tcp
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import TcpPeerConfig
from eventflux_runtime.peer.pooled import PooledTransport
from eventflux_runtime.peer.tcp_link import TcpLink
from eventflux_runtime.peer.transport import Link, LinkListener
from eventflux_runtime.rpc_error import Unavailable

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
        timeout_s = self.config.connection_timeout_ms / 1000
        try:
            with anyio.fail_after(timeout_s):
                stream = await anyio.connect_tcp(endpoint.host, endpoint.port)
        except TimeoutError:
            raise Unavailable(
                f"cannot connect to {endpoint}: nothing answered within connection_timeout_ms="
                f"{self.config.connection_timeout_ms}; check the address and firewalls"
            ) from None
        except OSError as error:
            raise Unavailable(f"cannot connect to {endpoint}: {_reason(error)}; is a node listening there?") from None
        return _link(stream, endpoint.address, self._binding, self.config)

    async def _bind(self, endpoint: Endpoint) -> LinkListener[M]:
        # A name may have several addresses. One listener has one, as in EventFlux.
        first, *others = await bind_tcp(endpoint)
        for sock in others:
            sock.close()
        apply_options(first, self.config.socket, None)  # so that connections have the buffers from their first byte on
        return TcpListener(await SocketListener.from_socket(first), self._binding, self.config)


class TcpListener(LinkListener[M]):
    """A bound socket."""

    def __init__(self, listener: SocketListener, binding: PeerBinding[M], config: TcpPeerConfig) -> None:
        self._listener = listener
        self._binding = binding
        self._config = config
        self._accepting = anyio.Lock()
        self.local_addr = _address(listener.extra(SocketAttribute.local_address))

    def __del__(self) -> None:
        # EventFlux's listener has no close; it ends when it is dropped, and so does this one.
        self._listener.extra(SocketAttribute.raw_socket).close()

    async def accept(self) -> tuple[Link[M], str]:
        """See `LinkListener.accept`."""
        try:
            async with self._accepting:
                stream = await self._listener.accept()
        except anyio.ClosedResourceError:
            raise Unavailable(f"the listener on {self.local_addr} was closed") from None
        except OSError as error:
            raise Unavailable(f"cannot accept on {self.local_addr}: {_reason(error)}") from None
        address = _address(stream.extra(SocketAttribute.remote_address))
        return _link(stream, address, self._binding, self._config), address

    async def aclose(self) -> None:
        """See `LinkListener.aclose`."""
        await self._listener.aclose()


def _link(stream: SocketStream, address: str, binding: PeerBinding[M], config: TcpPeerConfig) -> TcpLink[M]:
    apply_options(stream.extra(SocketAttribute.raw_socket), config.socket, config.keepalive)
    return TcpLink(stream, address, binding.codec, config)


def _address(address: object) -> str:
    assert isinstance(address, tuple)
    host, port = shown_host(address), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__  # anyio wraps what the system said
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()
