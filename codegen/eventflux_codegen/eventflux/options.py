"""What the YAML may say of EventFlux's transports, in its section ``peer``; an IDL without that section has none."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PeerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOptions:
    """What EventFlux's message-passing transports are made of; the fields of the messages are those of its own IDL."""

    message: str
    """The message that is passed."""
    layout: str
    """Its layout in EventFlux's frames over TCP."""
    service: str
    """The service of the methods below."""
    send: str
    """The unary method that takes a message and answers with one."""
    stream: str
    """The bidirectional method that is a connection."""
    events: str
    """The server-streaming method that is a subscription."""
    heartbeat: str
    """The unary method that asks a node how it is."""
