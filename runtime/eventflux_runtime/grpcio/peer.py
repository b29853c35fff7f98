"""Who is on the other side of a call that a gRPC server got.

The property names are grpcio's, those of ``src/core/credentials/transport/tls`` in https://github.com/grpc/grpc.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from eventflux_runtime.rpc.peer import Peer, PeerIdentity

__all__ = ["peer_of"]


def peer_of(raw_address: str, properties: Mapping[str, Iterable[bytes]] | None) -> Peer:
    """The client of a call, from what grpcio's servicer context says of it; `properties` only with TLS."""
    family, _, address = raw_address.partition(":")
    if family not in ("ipv4", "ipv6"):
        return Peer(unquote(raw_address))
    if properties is None:
        return Peer(f"grpc://{unquote(address)}")
    return Peer(f"grpcs://{unquote(address)}", _identity(properties))


def _identity(properties: Mapping[str, Iterable[bytes]]) -> PeerIdentity | None:
    if "x509_pem_cert" not in properties:
        return None
    names = (name.decode("utf-8", "replace") for name in properties.get("x509_common_name", ()))
    alternatives = properties.get("x509_subject_alternative_name", ())
    return PeerIdentity(next(names, ""), tuple(name.decode("utf-8", "replace") for name in alternatives))
