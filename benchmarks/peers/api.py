"""What the benchmark asks of each peer: to serve, and to hand out calls ready to be made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

TIMEOUT_S = 20.0
"""The deadline of each call, in seconds, wherever a peer has deadlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a peer listens, and what it may use."""

    scratch: Path
    """An empty folder, for sockets and certificates."""
    address: str = ""
    """What `Peer.serve` reported; empty for a server."""


class Duplex(Protocol):
    """A bidirectional stream that echoes."""

    async def send(self) -> None:
        """Sends one small message."""

    async def receive(self) -> object:
        """Receives one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What a connected client can do; None: this peer has no such call."""

    small: Callable[[], Awaitable[Any]]
    """One unary call that echoes about 300 bytes; builds its request, as users do."""
    large: Callable[[], Awaitable[Any]] | None = None
    """The same with 1 MiB of payload."""
    download: Callable[[], AbstractAsyncContextManager[AsyncIterator[Any]]] | None = None
    """Server streaming without an end."""
    exchange: Callable[[], AbstractAsyncContextManager[Duplex]] | None = None
    """Bidirectional streaming."""


class Peer(Protocol):
    """One stack under test."""

    def serve(self, place: Place) -> AbstractAsyncContextManager[str]:
        """Serves while the context is open; gives the address."""

    def connect(self, place: Place) -> AbstractAsyncContextManager[Calls]:
        """A client, connected once the first call is made."""
