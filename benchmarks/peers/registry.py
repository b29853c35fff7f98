"""The peers by name. Each is imported only when asked for, so that none loads in another's process."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from benchmarks.peers.api import Peer

_OTHERS: Final = {
    "ceiling": ("benchmarks.peers.ceiling", "CeilingPeer"),
    "ceiling-bytes": ("benchmarks.peers.ceiling", "CeilingBytesPeer"),
    "grpc.aio": ("benchmarks.peers.grpc_aio", "GrpcAioPeer"),
    "grpclib": ("benchmarks.peers.grpclib", "GrpclibPeer"),
}
_OURS: Final = ("tcp", "tcps", "unix", "grpc", "grpcs")
WIRES: Final = (*_OURS, *_OTHERS)


def peer_named(wire: str) -> Peer:
    """One peer."""
    if wire in _OURS:
        from benchmarks.peers.eventflux import EventFluxPeer  # noqa: PLC0415 - see the module's docstring

        return EventFluxPeer(wire)
    module, name = _OTHERS[wire]
    peer: Peer = getattr(import_module(module), name)()
    return peer
