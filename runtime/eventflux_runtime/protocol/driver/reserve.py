"""Messages of one stream as they arrived, one behind another in one buffer.

As objects they can take many times their bytes: an empty message takes five of a window and hundreds of the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, final

from eventflux_runtime.protocol.driver.decoding import decoded

if TYPE_CHECKING:
    from eventflux_runtime.protocol.core.event import MessageReceived

__all__ = ["Reserve"]

_SIZE_BYTES: Final = 4
_HEAD_BYTES: Final = 5
"""Each message stands behind its size, and the id of its compression in one byte."""
_SPENT_BYTES: Final = 64 * 1024
"""So much that was taken is cut off the buffer, once it is half of that."""


@final
class Reserve:
    """Messages, the first of which is at `_position` of `_buffer`; ahead of that is what was taken."""

    __slots__ = ("_buffer", "_decode", "_max_bytes", "_position")

    def __init__(self, decode: Callable[[bytes, int, int], Any], max_bytes: int) -> None:
        """An empty reserve.

        Args:
            decode: makes a message of ``data[start:end]``.
            max_bytes: the limit of one message, decompressed.
        """
        self._buffer = bytearray()
        self._position = 0
        self._decode = decode
        self._max_bytes = max_bytes

    @property
    def is_empty(self) -> bool:
        """Whether all was taken."""
        return self._position == len(self._buffer)

    @property
    def plain_bytes(self) -> int:
        """The size of the first message; -1 if it is compressed."""
        buffer, position = self._buffer, self._position
        if buffer[position + _SIZE_BYTES]:
            return -1
        return int.from_bytes(buffer[position : position + _SIZE_BYTES], "little")

    def put(self, event: MessageReceived) -> None:
        """Keeps a copy of a message that arrived."""
        buffer = self._buffer
        buffer += (event.end - event.start).to_bytes(_SIZE_BYTES, "little")
        buffer.append(event.compression_id)
        buffer += event.data[event.start : event.end]

    def take(self) -> tuple[Any, int]:
        """The first message, or what stands in its place as `decoded` has it; and its size as it arrived."""
        buffer = self._buffer
        start = self._position + _HEAD_BYTES
        size = int.from_bytes(buffer[self._position : self._position + _SIZE_BYTES], "little")
        data = bytes(buffer[start : start + size])
        compression_id = buffer[start - 1]
        self._position = start + size
        if self._position >= _SPENT_BYTES and 2 * self._position >= len(buffer):
            del buffer[: self._position]
            self._position = 0
        return decoded(self._decode, data, 0, size, compression_id, self._max_bytes), size
