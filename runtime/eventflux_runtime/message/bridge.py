"""Turns messages into protobuf's own objects, and back, by way of their protobuf encoding."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from librt.strings import BytesWriter

__all__ = ["Bridge"]

T = TypeVar("T")


class Bridge(Generic[T]):
    """What leads from the messages of one class to the objects of protobuf's class for it, and back."""

    def __init__(
        self,
        kind: type[T],
        proto: str,
        encode: Callable[[T, BytesWriter], None],
        decode: Callable[[bytes, int, int], T],
    ) -> None:
        """The bridge of one class.

        Args:
            kind: ours.
            proto: where protobuf's is, as ``package.module_pb2:Outer.Inner``.
            encode: appends a message in protobuf's encoding.
            decode: the message in ``data[start:end]`` of that encoding.
        """
        module, _, path = proto.partition(":")
        self._proto: Final[Any] = attrgetter(path)(import_module(module))
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
