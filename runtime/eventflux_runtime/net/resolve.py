"""Hosts to addresses, by the system's own resolver: to connect to, and to listen on."""

from __future__ import annotations

import socket
from typing import Any, Final, TypeAlias

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar, checkpoint

from eventflux_runtime.rpc.host import is_address

__all__ = ["SocketAddress", "look_up", "resolve", "shown_host", "shown_url"]

SocketAddress: TypeAlias = tuple[int, tuple[Any, ...]]
"""A family, and an address of it as sockets take it: that of IPv6 with its flow and its zone."""

_MOST_LOOKUPS: Final = 16
"""Lookups of one event loop that run at a time. Each holds a thread, however soon its asker gives up."""
_limiter: Final[RunVar[CapacityLimiter]] = RunVar("eventflux lookups")


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every IP address of a host, in the system's order of preference (RFC 6724), each once.

    Raises:
        OSError: the name is not known, or no name server answers.
    """
    return tuple(dict.fromkeys(shown_host(address) for _, address in await look_up(host, port)))


async def look_up(host: str, port: int) -> list[SocketAddress]:
    """What `resolve` finds, as sockets take it.

    Raises:
        OSError: as there; for an address, its zone is no interface of this machine.
    """
    if is_address(host):
        found = _ask(host, port, socket.AI_NUMERICHOST)  # asks nobody, so it does not wait
        await checkpoint()
    else:
        # As bytes: as text it would be encoded by older rules. In threads of its own, so that a program whose threads
        # all wait for calls can still make them; given up when the asker is, because it can take half a minute.
        found = await to_thread.run_sync(
            _ask, host.encode("ascii"), port, 0, abandon_on_cancel=True, limiter=_limiter_here()
        )
    addresses = [(int(family), address) for family, _, _, _, address in found]
    # A Python without IPv6 tells of its addresses as numbers.
    return list(dict.fromkeys(one for one in addresses if isinstance(one[1][0], str)))


def _ask(host: str | bytes, port: int, flags: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


def shown_host(address: tuple[Any, ...]) -> str:
    """The host of a socket's address as text: with its zone, and an IPv4 address as such where IPv6 wraps it."""
    host = str(address[0])
    if host.startswith("::ffff:") and "." in host:
        return host.removeprefix("::ffff:")
    if len(address) == 4 and address[3] and "%" not in host:
        return f"{host}%{_interface(address[3])}"
    return host


def shown_url(scheme: str, address: tuple[Any, ...]) -> str:
    """A socket's address as a URL."""
    host, port = shown_host(address), address[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _interface(number: int) -> str:
    try:
        return socket.if_indextoname(number)
    except OSError:  # it has gone meanwhile
        return str(number)


def _limiter_here() -> CapacityLimiter:
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_MOST_LOOKUPS)
        _limiter.set(limiter)
    return limiter
