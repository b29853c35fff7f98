"""The abstract message-passing transport, its connections and its listeners, in EventFlux's terms."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from enum import Enum
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from eventflux_runtime.rpc.errors import TransportError

__all__ = ["Link", "LinkListener", "PeerConnection", "PeerConnectionState", "PeerListener", "PeerTransport"]

M = TypeVar("M")


class PeerConnectionState(Enum):
    """What has become of a connection."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """Closed in order, by either side."""
    ERROR = "error"
    """Broken; `PeerConnection.error` says how."""


class Link(Protocol[M]):
    """What carries the messages of a connection. Several connections to one endpoint share it."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent; looks at the peer's side too, as far as that is known without waiting."""

    error: TransportError | None
    """What broke it; None while it is whole or after an orderly end."""

    async def send(self, message: M) -> None:
        """See `PeerTransport.send`."""

    async def receive(self) -> M:
        """See `PeerTransport.receive`."""

    async def aclose(self) -> None:
        """Closes it; a second time does nothing."""


class LinkListener(Protocol[M]):
    """What a listener accepts links from."""

    local_addr: str
    """``host:port`` really bound."""

    async def accept(self) -> tuple[Link[M], str]:
        """The next link, and the address of its peer."""

    async def aclose(self) -> None:
        """Stops listening; a second time does nothing."""


class PeerConnection(Generic[M]):
    """A connection to another node. Made by `PeerTransport.connect` and `PeerTransport.accept`."""

    def __init__(self, endpoint: str, link: Link[M]) -> None:
        self.id: str = str(uuid.uuid4())
        self.endpoint: str = endpoint
        """The address of the other node."""
        self.is_closed: bool = False
        """Whether `PeerTransport.close` was called for it."""
        self._link = link

    def __repr__(self) -> str:
        return f"<Connection to {self.endpoint}: {self.state.value}>"

    @property
    def state(self) -> PeerConnectionState:
        """What is known of it now."""
        if self._link.error is not None:
            return PeerConnectionState.ERROR
        is_open = self._link.is_open and not self.is_closed
        return PeerConnectionState.CONNECTED if is_open else PeerConnectionState.DISCONNECTED

    @property
    def error(self) -> TransportError | None:
        """What broke it."""
        return self._link.error


class PeerListener(Generic[M]):
    """A bound address. Made by `PeerTransport.listen`; also an async context manager that closes it."""

    def __init__(self, endpoint: str, listener: LinkListener[M]) -> None:
        self.endpoint: str = endpoint
        """The address as it was asked for."""
        self._listener = listener

    def __repr__(self) -> str:
        return f"<Listener on {self.local_addr}>"

    @property
    def local_addr(self) -> str:
        """``host:port`` really bound: port 0 is replaced by the port that the system chose."""
        return self._listener.local_addr

    async def aclose(self) -> None:
        """Stops listening. Connections that were accepted go on over TCP; over gRPC they end with their server."""
        await self._listener.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class PeerTransport(ABC, Generic[M]):
    """Connects nodes that pass messages to each other.

    Addresses are ``host:port``. Any number of tasks may use a connection at a time, in both directions.
    What a transport opened lives until it is closed. Used with ``async with``, a transport closes all of it at the end.
    """

    @abstractmethod
    async def connect(self, endpoint: str) -> PeerConnection[M]:
        """Connects to a node; where a connection to that address stands already, it is shared.

        Raises:
            Unavailable: nothing usable answers there in time; the message says what happened and what to do.
            ConfigError: the address is not one.
        """

    @abstractmethod
    async def listen(self, endpoint: str) -> PeerListener[M]:
        """Binds an address; port 0 lets the system choose.

        Raises:
            ConfigError: the address is not one, or cannot be bound.
        """

    @abstractmethod
    async def accept(self, listener: PeerListener[M]) -> PeerConnection[M]:
        """The next connection that another node made; waits for it.

        Raises:
            Unavailable: the listener was closed.
        """

    @abstractmethod
    async def send(self, connection: PeerConnection[M], message: M) -> None:
        """Sends one message.

        Raises:
            CodecError: the wire cannot carry the message; nothing was sent, and the connection goes on.
            ResourceExhausted: it is over the limit; nothing was sent, and the connection goes on.
            DeadlineExceeded: the peer does not take it in time.
            Unavailable: the connection is closed or broken.
        """

    @abstractmethod
    async def receive(self, connection: PeerConnection[M]) -> M:
        """The next message; each goes to one receiver.

        Raises:
            DeadlineExceeded: none came in time. Nothing is lost: the next call goes on where this one stopped.
            ProtocolError: the peer broke the protocol, which breaks the connection.
            CodecError: the peer sent bytes that are no message, which breaks the connection.
            ResourceExhausted: the peer's message is over the limit, which breaks the connection.
            Unavailable: the connection is closed or broken.
        """

    @abstractmethod
    async def close(self, connection: PeerConnection[M]) -> None:
        """Closes a connection; a second time does nothing. What is shared stays until the last one is closed."""

    async def aclose(self) -> None:
        """Closes every connection and listener of this transport."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
