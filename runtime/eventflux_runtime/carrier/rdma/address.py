"""Addresses as the system writes them, in the order of bytes of its structures, to text and numbers."""

from __future__ import annotations

import socket
import sys
from struct import unpack_from

from eventflux_runtime.net.resolve import shown_url
from eventflux_runtime.rpc.peer import Peer

__all__ = ["peer_at", "port_of"]

_HAS_LENGTH = sys.platform == "darwin"
"""Whether the family is one byte, behind one for the length (BSD's ``struct sockaddr``)."""


def _family_of(address: bytes) -> int:
    return address[1] if _HAS_LENGTH else int.from_bytes(address[:2], sys.byteorder)


def port_of(address: bytes) -> int:
    """The port of a ``struct sockaddr_in`` or ``sockaddr_in6``."""
    return int.from_bytes(address[2:4], "big")


def peer_at(scheme: str, address: bytes) -> Peer:
    """Who is at such an address; one of another family is told as its bytes."""
    if len(address) < 8 or _family_of(address) not in (socket.AF_INET, socket.AF_INET6):
        return Peer(f"{scheme}://{address.hex() or 'unknown'}")
    port = port_of(address)
    if _family_of(address) == socket.AF_INET6:
        (zone,) = unpack_from("=I", address, 24)
        return Peer(shown_url(scheme, (socket.inet_ntop(socket.AF_INET6, address[8:24]), port, 0, zone)))
    return Peer(shown_url(scheme, (socket.inet_ntop(socket.AF_INET, address[4:8]), port)))
