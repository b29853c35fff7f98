"""The base of every generated client."""

from __future__ import annotations

from eventflux_runtime.client.channel import Channel

__all__ = ["Client"]


class Client:
    """Typed methods over a channel. Holds nothing else, so any number may share one channel."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self._channel!r}>"
