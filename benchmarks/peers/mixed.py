"""The client of one peer with the server of another that speaks the same protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from benchmarks.peers.api import Calls, Peer, Place


class MixedPeer:
    """A `Peer`. Each process imports the half that it is."""

    def __init__(self, peer_named: Callable[[str], Peer], client: str, server: str) -> None:
        self._peer_named = peer_named
        self._client = client
        self._server = server

    def serve(self, place: Place) -> AbstractAsyncContextManager[str]:
        """See `Peer.serve`."""
        return self._peer_named(self._server).serve(place)

    def connect(self, place: Place) -> AbstractAsyncContextManager[Calls]:
        """See `Peer.connect`."""
        address = place.address.rpartition("://")[2]
        if self._client == "grpc":
            address = f"grpc://{address}"
        return self._peer_named(self._client).connect(replace(place, address=address))
