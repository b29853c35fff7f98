"""The peers by name. Each is imported only when asked for, so that none loads in another's process."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from benchmarks.peers.api import Peer

_OTHERS: Final = {
    "ceiling": ("benchmarks.peers.ceiling", "CeilingPeer"),
    "ceiling-bytes": ("benchmarks.peers.ceiling", "CeilingBytesPeer"),
    "grpc.aio": ("benchmarks.peers.grpc_aio", "GrpcAioPeer"),
    "grpc.aio-gzip": ("benchmarks.peers.grpc_aio", "GzipPeer"),
    "grpclib": ("benchmarks.peers.grpclib", "GrpclibPeer"),
}
_OURS: Final = ("tcp", "tcps", "unix", "grpc", "grpcs", "ws", "wss", "quic", "rdma", "grpcio")
_PACKED: Final = {"grpc-gzip": ("grpc", "gzip"), "grpc-zstd": ("grpc", "zstd")}
"""Ours with every message compressed, of whatever length: the scheme and the algorithm."""
_MIXED: Final = {"grpc.aio-to-grpc": ("grpc.aio", "grpc"), "grpc-to-grpc.aio": ("grpc", "grpc.aio")}
"""The client of one with the server of another."""
WIRES: Final = (*_OURS, *_PACKED, *_MIXED, *_OTHERS)


def peer_named(wire: str) -> Peer:
    """One peer."""
    if wire in _MIXED:
        from benchmarks.peers.mixed import MixedPeer  # noqa: PLC0415 - see the module's docstring

        client, server = _MIXED[wire]
        return MixedPeer(peer_named, client, server)
    if wire in _OURS or wire in _PACKED:
        from benchmarks.peers.eventflux import EventFluxPeer  # noqa: PLC0415 - see the module's docstring

        return EventFluxPeer(*_PACKED.get(wire, (wire, "none")))
    module, name = _OTHERS[wire]
    peer: Peer = getattr(import_module(module), name)()
    return peer
