"""The base of every generated blocking client."""

from __future__ import annotations

from eventflux_runtime.blocking.channel import BlockingChannel
from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["BlockingClient"]


class BlockingClient:
    """Typed methods over a channel. Holds nothing else, so any number may share one channel, and threads one client.

    Raises:
        ConfigError: the channel is not one of `eventflux_runtime.blocking.connect`.
    """

    __slots__ = ("_channel",)

    def __init__(self, channel: BlockingChannel) -> None:
        given: object = channel
        if not isinstance(given, BlockingChannel):
            raise ConfigError(
                f"{type(self).__name__} takes a channel of eventflux_runtime.blocking.connect(), not {shown(given)}"
            )
        self._channel = channel

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self._channel!r}>"
