"""EventFlux's own frames as listeners know them: answered on a port of the native protocol, spoken by nobody here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from eventflux_runtime.protocol.eventflux.connection import EventFluxConnection
from eventflux_runtime.protocol.sniff import Sniff

if TYPE_CHECKING:
    from eventflux_runtime.carrier.api import Pipe
    from eventflux_runtime.net.limited_log import LimitedLog
    from eventflux_runtime.net.reactor import Reactor
    from eventflux_runtime.protocol.api import Dispatcher, ServerConnection
    from eventflux_runtime.rpc.binding import AnyBinding
    from eventflux_runtime.rpc.config import ServerConfig

__all__ = ["PROTOCOL", "EventFluxProtocol", "EventFluxServer"]


class EventFluxProtocol:
    """A `ServingProtocol`."""

    def server(
        self, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog
    ) -> EventFluxServer | None:
        """See `ServingProtocol.server`; the method that answers such peers is the one with a `PeerCodec`."""
        binding = next((binding for binding in dispatcher.bindings if binding.method.peer is not None), None)
        return EventFluxServer(binding, config, dispatcher, reactor, log) if binding is not None else None


class EventFluxServer:
    """A `ServerProtocol`."""

    def __init__(
        self, binding: AnyBinding, config: ServerConfig, dispatcher: Dispatcher, reactor: Reactor, log: LimitedLog
    ) -> None:
        self._binding = binding
        self._config = config
        self._dispatcher = dispatcher
        self._reactor = reactor
        self._log = log

    def speaks(self, first: Sniff) -> bool:
        """See `ServerProtocol.speaks`."""
        return first is Sniff.EVENTFLUX

    def connection(self, pipe: Pipe, on_lost: Callable[[ServerConnection], None]) -> EventFluxConnection:
        """See `ServerProtocol.connection`."""
        return EventFluxConnection(
            pipe, self._binding, self._reactor, self._dispatcher, self._config, on_lost, self._log
        )


PROTOCOL: Final = EventFluxProtocol()
