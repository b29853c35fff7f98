"""The errors of the wire core: what the peer did wrong, what the caller did wrong, and what a limit refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflux_runtime.rpc.errors import ProtocolError, TransportError
from eventflux_runtime.rpc.status import StatusCode

if TYPE_CHECKING:
    from eventflux_runtime.protocol.core.event import Event

__all__ = [
    "LimitError",
    "LocalProtocolError",
    "MessageTooLarge",
    "MetadataTooLarge",
    "RemoteProtocolError",
    "StreamsExhausted",
]


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    Attributes:
        code: the code of the GOAWAY that tells the peer.
        events: what the valid frames ahead of the fault brought; handle them before giving the connection up.
    """

    def __init__(self, message: str, code: StatusCode = StatusCode.INTERNAL) -> None:
        super().__init__(message)
        self.code: StatusCode = code
        self.events: list[Event] = []

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled, these classes keep their attributes where the base class does not find them. Events stay behind.
        return type(self), (str(self), self.code)


class LocalProtocolError(TransportError):
    """The caller used the connection in a way that its state does not allow: a bug on this side."""


class LimitError(TransportError):
    """What was to be sent is over a limit that the peer announced. Nothing of it was sent; the connection goes on.

    Attributes:
        size: how large it is.
        limit: how large it may be.
    """

    def __init__(self, message: str, size: int, limit: int) -> None:
        super().__init__(message)
        self.size: int = size
        self.limit: int = limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.size, self.limit)


class MessageTooLarge(LimitError):
    """A message is longer than the peer accepts, or than this side sends to one that does not say; sizes in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"message of {size} bytes is too long, the limit is {limit}: "
            "send less at a time, or raise max_message_bytes on both sides",
            size,
            limit,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size, self.limit)


class MetadataTooLarge(LimitError):
    """Metadata is longer than the peer accepts; sizes in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"metadata of {size} bytes is over the peer's limit of {limit}: send less metadata", size, limit
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size, self.limit)


class StreamsExhausted(LimitError):
    """The connection takes no further call: as many are in flight as the peer allows, or the ids are used up."""
