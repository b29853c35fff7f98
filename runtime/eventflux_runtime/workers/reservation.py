"""Addresses that are held for workers: a port stays theirs, whichever of them is running."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Self

from eventflux_runtime.net.socket import bind_port
from eventflux_runtime.net.unix_socket import SocketFile, bind_unix
from eventflux_runtime.rpc.config import SocketConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.scheme import AddressForm

__all__ = ["Reservation"]


class Reservation:
    """Held addresses. Ports are bound and do not listen: every worker binds them too, and listens.

    Unix sockets listen, and workers inherit them. Owns all sockets and the files of the latter.
    """

    def __init__(self) -> None:
        self.urls: list[str] = []
        """Where workers listen, in the order that was asked for, with the ports that the system chose."""
        self._held: list[socket.socket] = []
        self._listening: dict[str, socket.socket] = {}
        self._files: list[SocketFile] = []

    @property
    def inherited(self) -> Mapping[str, socket.socket]:
        """The sockets that each worker gets, by their paths."""
        return self._listening

    @classmethod
    async def of(cls, endpoints: Sequence[Endpoint], options: SocketConfig) -> Self:
        """Holds addresses.

        Raises:
            ConfigError: one cannot be bound, or not by several processes.
        """
        reservation = cls()
        try:
            for endpoint in endpoints:
                await reservation._hold(endpoint, options)
        except BaseException:
            reservation.close()
            raise
        return reservation

    async def _hold(self, endpoint: Endpoint, options: SocketConfig) -> None:
        match endpoint.form:
            case AddressForm.HOST:
                self.urls.append(str(await self._hold_port(endpoint, options)))
            case AddressForm.PATH:
                sock, file = await bind_unix(endpoint)
                self._listening[endpoint.path] = sock
                self._files.append(file)
                self.urls.append(str(endpoint))
            case AddressForm.NAME:
                raise ConfigError(
                    f"cannot listen on {endpoint} with workers: it is known within one process only; give them a port "
                    "or a Unix socket"
                )
            case AddressForm.RESOLVER:
                raise ConfigError(f"cannot listen on {endpoint}: it is only to connect to")

    async def _hold_port(self, endpoint: Endpoint, options: SocketConfig) -> Endpoint:
        # First for ourselves alone: a server that listens there already is found, even if it shares its port.
        alone = await bind_port(endpoint, options)
        endpoint = endpoint.with_port(alone[0].getsockname()[1])
        for sock in alone:
            sock.close()
        self._held += await bind_port(endpoint, options, is_shared=True)
        return endpoint

    def close(self) -> None:
        """Gives the addresses up. Who listens there goes on, but on Unix sockets nobody new can connect."""
        for file in self._files:
            file.remove()
        for sock in (*self._held, *self._listening.values()):
            sock.close()
        self._files.clear()
        self._held.clear()
        self._listening.clear()
