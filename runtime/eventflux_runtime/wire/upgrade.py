"""From an accepted pipe through the layers of a wire, such as TLS, to its protocol."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio

from eventflux_runtime.carrier.api import Pipe, Upgrade
from eventflux_runtime.net.tls import explain_tls
from eventflux_runtime.rpc.config import ServerConfig

if TYPE_CHECKING:
    from eventflux_runtime.net.reactor import Reactor, TaskHandle
    from eventflux_runtime.protocol.acceptor import Acceptor

__all__ = ["Upgrader"]


class Upgrader:
    """Takes pipes through the layers beside each other, bounded in number and in time.

    Invariant: a pipe stands in `_upgrading` until it is through; so `aclose` finds those whose task never begins.
    """

    def __init__(
        self, name: str, upgrades: Sequence[Upgrade], acceptor: Acceptor, config: ServerConfig, reactor: Reactor
    ) -> None:
        self._name = name
        self._upgrades = upgrades
        self._acceptor = acceptor
        self._config = config
        self._reactor = reactor
        self._upgrading: dict[Pipe, TaskHandle] = {}

    def accept(self, pipe: Pipe) -> None:
        """Begins with a new pipe, or refuses it."""
        if self._acceptor.is_draining:
            pipe.abort()
        elif len(self._upgrading) >= self._config.max_connections:
            self._acceptor.log.warning(
                "refused a connection on %s: too many are in their %s handshake", self._acceptor.endpoint, self._name
            )
            pipe.abort()
        else:
            self._upgrading[pipe] = self._reactor.spawn(self._upgrade, pipe)

    async def _upgrade(self, lowest: Pipe) -> None:
        pipe = lowest
        try:
            with anyio.fail_after(self._config.handshake_timeout_s):
                for upgrade in self._upgrades:
                    pipe = await upgrade(pipe, self._reactor)
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
            reason = explain_tls(error, "the client") if isinstance(error, ssl.SSLError) else error
            self._acceptor.log.warning("the %s handshake with %s failed: %s", self._name, lowest.peer.address, reason)
        else:
            self._acceptor.accept(pipe)
        finally:
            self._upgrading.pop(lowest, None)

    def close(self) -> None:
        """Drops every pipe that is not through."""
        for pipe, task in list(self._upgrading.items()):
            task.cancel()
            pipe.abort()
        self._upgrading.clear()
