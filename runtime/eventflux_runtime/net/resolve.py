"""Host names to addresses, by the system's own resolver."""

from __future__ import annotations

import socket

import anyio

__all__ = ["resolve"]


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every IP address of a host, in the system's order of preference (RFC 6724), each once.

    Raises:
        OSError: the name is not known, or no name server answers.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[4][0]) for address in found))
