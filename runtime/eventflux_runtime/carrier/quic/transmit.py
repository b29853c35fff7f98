"""Datagrams that qh3 has made, on their way to a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from eventflux_runtime.net.udp import Origin, UdpSocket

__all__ = ["is_bare", "send_transmits"]

_BARE_BYTES: Final = 80
"""Of a datagram that carries nothing of a stream, at the most."""

_Transmits: TypeAlias = Sequence[tuple[bytes, Any]]
"""Datagrams, and where qh3 has them go."""


def is_bare(transmits: _Transmits) -> bool:
    """Whether datagrams carry nothing of a stream, as far as their sizes tell."""
    return max(len(datagram) for datagram, _ in transmits) <= _BARE_BYTES


def send_transmits(sock: UdpSocket, transmits: _Transmits, origin: Origin | None) -> None:
    """Sends them where the peer was heard from last; None: where the socket is connected to.

    A peer may have moved, and qh3 asks there whether it has; what goes to another path goes by itself.
    """
    if origin is None:
        sock.send([datagram for datagram, _ in transmits])
        return
    here: list[bytes] = []
    for datagram, address in transmits:
        if address == origin.address:
            here.append(datagram)
        else:  # a path that is being validated, or was left
            sock.send([datagram], Origin(tuple(address), origin.control))
    if here:
        sock.send(here, origin)
