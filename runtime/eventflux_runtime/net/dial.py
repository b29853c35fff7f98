"""Connecting to a host whose addresses are tried beside each other, so that a dead one costs little (RFC 8305)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio

from eventflux_runtime.net.resolve import resolve
from eventflux_runtime.net.socket import connect_tcp
from eventflux_runtime.rpc.config import KeepaliveConfig, SocketConfig
from eventflux_runtime.rpc.endpoint import Endpoint

__all__ = ["dial_first", "dial_tcp"]

NEXT_ADDRESS_S: Final = 0.25
"""Seconds after which the next address is tried beside one that has not answered; RFC 8305's own."""


async def dial_tcp(endpoint: Endpoint, options: SocketConfig, keepalive: KeepaliveConfig | None) -> socket.socket:
    """A connected socket to whichever address of a host answers first, with its options set before it connected.

    Raises:
        OSError: no address of the host answers, or the host is unknown (`socket.gaierror`).
    """
    hosts = await resolve(endpoint.host, endpoint.port)
    if len(hosts) < 2:
        return await connect_tcp(endpoint, options, keepalive)
    return await dial_first([replace(endpoint, host=host) for host in hosts], options, keepalive)


async def dial_first(
    endpoints: Sequence[Endpoint], options: SocketConfig, keepalive: KeepaliveConfig | None
) -> socket.socket:
    """A socket connected to whichever of some endpoints answers first; the earlier ones have a head start.

    Raises:
        OSError: none answers; the first failure.
    """
    race = _Race(options, keepalive)
    try:
        await race.run(endpoints)
    except BaseException:
        if race.winner is not None:
            race.winner.close()
        raise
    if race.winner is None:
        raise race.failures[0]
    return race.winner


class _Race:
    """Attempts of which the first to succeed ends the others."""

    def __init__(self, options: SocketConfig, keepalive: KeepaliveConfig | None) -> None:
        self.winner: socket.socket | None = None
        self.failures: list[OSError] = []
        self._options = options
        self._keepalive = keepalive

    async def run(self, endpoints: Sequence[Endpoint]) -> None:
        """Starts an attempt for each address, the next when one has failed or is slow; returns when it is decided."""
        async with anyio.create_task_group() as tasks:
            for endpoint in endpoints:
                is_over = anyio.Event()
                tasks.start_soon(self._attempt, endpoint, is_over, tasks.cancel_scope)
                with anyio.move_on_after(NEXT_ADDRESS_S):
                    await is_over.wait()

    async def _attempt(self, endpoint: Endpoint, is_over: anyio.Event, scope: anyio.CancelScope) -> None:
        try:
            sock = await connect_tcp(endpoint, self._options, self._keepalive)
        except OSError as error:
            self.failures.append(error)
        else:
            if self.winner is None:
                self.winner = sock
                scope.cancel()
            else:
                sock.close()
        finally:
            is_over.set()
