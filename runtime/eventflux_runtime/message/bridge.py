"""Turns messages into protobuf's own objects, and back, by way of their protobuf encoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from librt.strings import BytesWriter

__all__ = ["Bridge"]

T = TypeVar("T")


class Bridge(Generic[T]):
    """What leads from the messages of one class to the objects of protobuf's class for it, and back."""

    def __init__(
        self,
        proto: Any,
        encode: Callable[[T, BytesWriter], None],
        decode: Callable[[bytes, int, int], T],
    ) -> None:
        """The bridge of one class.

        Args:
            proto: protobuf's.
            encode: appends a message in protobuf's encoding.
            decode: the message in ``data[start:end]`` of that encoding.
        """
        self._proto: Final = proto
        self._encode: Final = encode
        self._decode: Final = decode

    def to_proto(self, message: T) -> Any:
        """Protobuf's object for a message. Raises CodecError."""
        writer = BytesWriter()
        self._encode(message, writer)
        return self._proto.FromString(writer.getvalue())

    def from_proto(self, proto: Any) -> T:
        """The message that protobuf's object holds. Raises CodecError."""
        data = proto.SerializeToString()
        return self._decode(data, 0, len(data))
