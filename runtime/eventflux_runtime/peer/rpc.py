"""EventFlux's gRPC transport: each connection is one stream of `StreamMessages`; plain callers are answered as well."""

from __future__ import annotations

import uuid
from typing import TypeVar

from eventflux_runtime.peer.binding import PeerBinding
from eventflux_runtime.peer.config import GrpcPeerConfig
from eventflux_runtime.peer.payload import PayloadCodec
from eventflux_runtime.peer.pooled import PooledTransport
from eventflux_runtime.peer.rpc_client import open_link
from eventflux_runtime.peer.rpc_server import open_listener
from eventflux_runtime.peer.transport import Link, LinkListener
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["GrpcPeerTransport"]

M = TypeVar("M")


class GrpcPeerTransport(PooledTransport[M]):
    """A `PeerTransport` over gRPC.

    A node that calls `SendMessage` alone is a connection of one message each way: what is sent on it answers the call,
    and a message that nobody answers is acknowledged. A node that subscribes with `StreamEvents` is a connection that
    only takes messages, those that its filter wants. `Heartbeat` is answered without the program's doing.

    To other nodes it names itself by the address that it listened on first, or by an id of its own where it has none.
    """

    _binding: PeerBinding[M]
    """Set by the subclass that binds a message type."""

    def __init__(self, config: GrpcPeerConfig | None = None) -> None:
        super().__init__()
        self.config = config if config is not None else GrpcPeerConfig()
        self._payloads = PayloadCodec(self._binding, self.config.compression, self.config.max_message_size)
        self._node_id = str(uuid.uuid4())
        self._has_address = False

    @property
    def _scheme(self) -> str:
        return "grpc" if self.config.tls is None else "grpcs"

    async def _open(self, endpoint: Endpoint) -> Link[M]:
        return await open_link(endpoint, self._binding, self._payloads, self.config, lambda: self._node_id)

    async def _bind(self, endpoint: Endpoint) -> LinkListener[M]:
        listener = await open_listener(endpoint, self._binding, self._payloads, self.config)
        if not self._has_address:
            self._node_id, self._has_address = listener.local_addr, True
        return listener
