"""EventFlux's gRPC transport: each connection is one stream of `StreamMessages`; plain callers are answered as well."""

from __future__ import annotations

from typing import TypeVar

from eventflux_runtime.endpoint import Endpoint
from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import GrpcPeerConfig
from eventflux_runtime.peer.payload import PayloadCodec
from eventflux_runtime.peer.pooled import PooledTransport
from eventflux_runtime.peer.rpc_client import open_link
from eventflux_runtime.peer.rpc_server import open_listener
from eventflux_runtime.peer.transport import Link, LinkListener

__all__ = ["GrpcPeerTransport"]

M = TypeVar("M")


class GrpcPeerTransport(PooledTransport[M]):
    """A `PeerTransport` over gRPC.

    A node that calls `SendMessage` alone is a connection of one message each way: what is sent on it answers the call,
    and a message that nobody answers is acknowledged. A node that subscribes with `StreamEvents` is a connection that
    only takes messages, those that its filter wants. `Heartbeat` is answered without the program's doing.
    """

    _binding: PeerBinding[M]
    """Set by the subclass that binds a message type."""

    def __init__(self, config: GrpcPeerConfig | None = None) -> None:
        super().__init__()
        self.config = config if config is not None else GrpcPeerConfig()
        self._payloads = PayloadCodec(self._binding, self.config.compression, self.config.max_message_size)

    @property
    def _scheme(self) -> str:
        return "grpc" if self.config.tls is None else "grpcs"

    async def _open(self, endpoint: Endpoint) -> Link[M]:
        return await open_link(endpoint, self._binding, self._payloads, self.config)

    async def _bind(self, endpoint: Endpoint) -> LinkListener[M]:
        return await open_listener(endpoint, self._binding, self._payloads, self.config)
