"""Who is on the other side of a connection."""

from __future__ import annotations

import msgspec

__all__ = ["Peer", "PeerIdentity"]


class PeerIdentity(msgspec.Struct, frozen=True):
    """Who the other side proved to be, from its TLS certificate."""

    subject: str
    """The certificate's common name; empty if it has none."""
    alternative_names: tuple[str, ...] = ()
    """Subject alternative names: DNS names, IP addresses, URIs."""


class Peer(msgspec.Struct, frozen=True):
    """The other side of a connection."""

    address: str
    """A URL such as ``tcp://127.0.0.1:50312``; a Unix or memory peer has the endpoint's own."""
    identity: PeerIdentity | None = None
