"""Turns messages into protobuf's own objects and back; protobuf's runtime is the authority on its encoding and JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, Generic, NoReturn, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError
from librt.strings import BytesWriter

from eventflux_runtime.message.bridge_field import FieldTable, chosen, enter
from eventflux_runtime.rpc.errors import CodecError

__all__ = ["Bridge"]

T = TypeVar("T")

_REFUSALS: Final = (AttributeError, DecodeError, EncodeError, OverflowError, RecursionError, TypeError, ValueError)
"""What protobuf raises for values that it does not take; DecodeError, where messages lie too deep in each other."""


class Bridge(Generic[T]):
    """What leads from the messages of one class to the objects of protobuf's class for it, and back."""

    def __init__(self, kind: type[T], proto: str, encode: Callable[[T, BytesWriter], None]) -> None:
        """The bridge of one class.

        Args:
            kind: ours.
            proto: where protobuf's is, as ``package.module_pb2:Outer.Inner``.
            encode: appends a message in the native layout; it says best what is wrong with one.
        """
        module, _, path = proto.partition(":")
        self._proto: Final[Any] = attrgetter(path)(import_module(module))
        self._kind: Final = kind
        self._name: Final = kind.__name__
        self._encode: Final = encode

    @cached_property
    def _table(self) -> FieldTable:
        # Not before it is used, because a message may contain itself.
        return FieldTable.of(self._kind, self._proto.DESCRIPTOR)

    def to_proto(self, message: T) -> Any:
        """Protobuf's object for a message. Raises CodecError."""
        table = self._table
        try:
            values: dict[str, object] = {name: give(getattr(message, own)) for own, name, give in table.passed}
            for own, choices in table.oneofs:
                choice = getattr(message, own)
                if choice is not None:
                    name, give = chosen(choice, choices)
                    values[name] = give(choice.value)
            proto = self._proto(**values)
            for own, name, default in table.assigned:
                value = getattr(message, own)
                # Only the object that stands where nothing was set is left out: what merely equals it, as -0.0 or an
                # object of another type does, is protobuf's to judge.
                if value is not default:
                    setattr(proto, name, value)
            for own, name in table.entered:
                entries = getattr(message, own)
                if entries != {}:
                    enter(getattr(proto, name), entries)
            return proto
        except _REFUSALS as error:
            self._refuse(message, error)

    def from_proto(self, proto: Any) -> T:
        """The message that protobuf's object holds."""
        return self._kind(*[take(proto) for take in self._table.taken])

    def to_protobuf(self, message: T) -> bytes:
        """The protobuf encoding of a message. Raises CodecError."""
        try:
            data: bytes = self.to_proto(message).SerializeToString()
            return data
        except _REFUSALS as error:
            self._refuse(message, error)

    def from_protobuf(self, data: bytes) -> T:
        """The message of a protobuf encoding. Raises CodecError."""
        try:
            return self.from_proto(self._proto.FromString(data))
        except (DecodeError, RecursionError) as error:
            raise CodecError(f"{self._name}: not its protobuf encoding: {error}", field=self._name) from None

    def to_json(self, message: T) -> str:
        """A message in proto3's JSON mapping, on one line. Raises CodecError."""
        proto = self.to_proto(message)
        try:
            return json_format.MessageToJson(proto, indent=None, ensure_ascii=False)
        except (json_format.Error, *_REFUSALS) as error:
            raise CodecError(f"{self._name}: no JSON for it: {error}", field=self._name) from None

    def from_json(self, data: str | bytes) -> T:
        """The message of JSON in proto3's mapping. Raises CodecError."""
        try:
            proto = json_format.Parse(data, self._proto())
        except (json_format.Error, *_REFUSALS) as error:
            raise CodecError(f"{self._name}: not its JSON: {error}", field=self._name) from None
        return self.from_proto(proto)

    def _refuse(self, message: T, error: Exception) -> NoReturn:
        # Protobuf does not say which field is at fault. The codec does, as it refuses the same values.
        self._encode(message, BytesWriter())
        raise CodecError(f"{self._name}: {error}", field=self._name) from None
