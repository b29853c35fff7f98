"""What the templates of EventFlux's transports see, decided."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_codegen.model import Lines, Message, Method

__all__ = ["Peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """EventFlux's message-passing transports."""

    message: Message
    layout: str
    """The stem of the layout's functions."""
    framed_types: Lines
    """The types that the layout carries; another type travels as the first of them."""
    framed: tuple[tuple[str, str], ...]
    """What the layout carries: each field and the expression that makes it of a message."""
    framing: Lines
    """The functions that those expressions call."""
    send: Method
    stream: Method
    events: Method
    heartbeat: Method
    status: Message
    """What a node says of itself."""
    types: str
    """The enum of the message's types, where it is imported."""
    compressions: str
    """The enum of the payload's compressions, where it is imported."""
    healths: str
    """The enum of a node's health, where it is imported."""

    @property
    def imports(self) -> tuple[tuple[str, str], ...]:
        """The classes that their module needs, and their names there, sorted."""
        messages = (self.message, self.events.request, self.heartbeat.request, self.heartbeat.response, self.status)
        enums = (self.types, self.compressions, self.healths)
        return tuple(sorted({(own.name, own.local) for own in messages} | {(name, name) for name in enums}))

    @property
    def codec(self) -> str:
        """The constant that holds how the message travels in frames."""
        return f"{self.message.snake.upper()}_PEER_CODEC"
