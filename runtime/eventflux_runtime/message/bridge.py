"""Turns messages into protobuf's own objects and into JSON, and back, by way of their protobuf encoding."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError
from librt.strings import BytesWriter

from eventflux_runtime.rpc.errors import CodecError

__all__ = ["Bridge"]

T = TypeVar("T")

_REFUSALS: Final = (AttributeError, DecodeError, EncodeError, OverflowError, RecursionError, TypeError, ValueError)
"""What `json_format` lets through for JSON, and for values, that it does not take."""


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
        self._name: Final = kind.__name__
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

    def to_json(self, message: T) -> str:
        """A message in proto3's JSON mapping, on one line. Raises CodecError."""
        proto = self.to_proto(message)
        try:
            return json_format.MessageToJson(proto, indent=None, ensure_ascii=False)
        except (json_format.Error, *_REFUSALS) as error:
            raise CodecError(f"{self._name}: no JSON for it: {error}", field=self._name) from None

    def from_json(self, data: str | bytes, ignore_unknown_fields: bool = False) -> T:
        """The message of JSON in proto3's mapping. Raises CodecError."""
        try:
            proto = json_format.Parse(data, self._proto(), ignore_unknown_fields=ignore_unknown_fields)
        except (json_format.Error, *_REFUSALS) as error:
            raise CodecError(f"{self._name}: not its JSON: {error}", field=self._name) from None
        return self.from_proto(proto)
