"""Who is on the other side of a call that a gRPC server got.

The property names are grpcio's, those of ``src/core/credentials/transport/tls`` in https://github.com/grpc/grpc.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from eventflux_runtime.transport_api import Peer, PeerIdentity

__all__ = ["RawPeer", "peer_of", "raw_peer"]


class RawPeer(NamedTuple):
    """What grpcio says of a client, before anybody asked for it."""

    address: str
    properties: Mapping[str, Iterable[bytes]] | None


def raw_peer(context: Any, is_tls: bool) -> RawPeer:
    """The client of a call, from grpcio's servicer context; taken while the call lives, as grpcio demands."""
    return RawPeer(context.peer(), context.auth_context() if is_tls else None)


def peer_of(raw: RawPeer) -> Peer:
    """The client of a call."""
    family, _, address = raw.address.partition(":")
    if family not in ("ipv4", "ipv6"):
        return Peer(unquote(raw.address))
    if raw.properties is None:
        return Peer(f"grpc://{unquote(address)}")
    return Peer(f"grpcs://{unquote(address)}", _identity(raw.properties))


def _identity(properties: Mapping[str, Iterable[bytes]]) -> PeerIdentity | None:
    if "x509_pem_cert" not in properties:
        return None
    names = (name.decode("utf-8", "replace") for name in properties.get("x509_common_name", ()))
    alternatives = properties.get("x509_subject_alternative_name", ())
    return PeerIdentity(next(names, ""), tuple(name.decode("utf-8", "replace") for name in alternatives))
