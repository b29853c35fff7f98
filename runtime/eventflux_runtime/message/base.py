"""The base class of every generated message."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, cast

import msgspec
from librt.strings import BytesWriter

from eventflux_runtime.message.redaction import redacted_repr, shown_of
from eventflux_runtime.message.registration import Registration
from eventflux_runtime.message.sibling import module_of

if TYPE_CHECKING:
    from google.protobuf.message import Message as AnyProto

__all__ = ["Message"]

P = TypeVar("P", bound="AnyProto")
L = TypeVar("L", bound=str)
M = TypeVar("M", bound="Message[Any, Any]")


class _Unregistered:
    """Stands where a class's registration will be. Who asks for it has the class's codec loaded first."""

    def __get__(self, message: object, kind: type[Any]) -> Registration[Any]:
        if kind is Message:
            raise AttributeError("only a generated class has a codec")
        generated = kind.__mro__[kind.__mro__.index(Message) - 1]
        import_module(module_of(generated, "codec"))
        registration: Registration[Any] = vars(generated)["__registration__"]
        return registration


class _WithUnknownFields:
    """Where a message keeps what it has no field for: a slot, so that it is no field itself."""

    __slots__ = ("_unknown_fields",)

    _unknown_fields: bytes


class Message(_WithUnknownFields, msgspec.Struct, Generic[P, L], kw_only=True):
    """What all messages can do. A generated class adds its fields, and the methods that its options ask for.

    `P` is protobuf's own class for the message, `L` the names of its layouts besides ``native``.
    """

    __registration__: ClassVar[Registration[Any]] = cast("Registration[Any]", _Unregistered())
    __has_unknown_fields__: ClassVar[bool] = False
    """Whether a message of this class ever had some. Until then its codec does not ask each: an empty slot is slow."""
    __redacted__: ClassVar[frozenset[str]] = frozenset()
    """Attributes that its repr and errors do not show, because the IDL says `debug_redact`."""
    __half_redacted__: ClassVar[frozenset[str]] = frozenset()
    """Attributes for oneofs that have a choice of which the IDL says so."""

    @property
    def unknown_fields(self) -> bytes:
        """The records of protobuf's encoding that the class has no field for, as they came; they are written again.

        Messages with other unknown fields, or with the same ones in another order, are not equal. No layout carries
        them, nor does what looks at the fields alone, as `msgspec.structs.replace`. Raises TypeError when set to what
        is not bytes.
        """
        return getattr(self, "_unknown_fields", b"") if self.__has_unknown_fields__ else b""

    @unknown_fields.setter
    def unknown_fields(self, records: bytes) -> None:
        if type(records) is not bytes:
            raise TypeError(f"{type(self).__name__}.unknown_fields: expected bytes, not {type(records).__name__}")
        kind = type(self)
        if records and not kind.__has_unknown_fields__:
            kind.__has_unknown_fields__ = True
        self._unknown_fields = records

    def __eq__(self, other: object) -> bool:
        is_equal = super().__eq__(other)
        if is_equal is not True:
            return is_equal
        return self.unknown_fields == cast("Self", other).unknown_fields

    __hash__ = msgspec.Struct.__hash__

    def __repr__(self) -> str:
        is_shown = not self.__redacted__ and not self.__half_redacted__
        return super().__repr__() if is_shown else redacted_repr(self)

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [(name, shown_of(self, name)) for name in self.__struct_fields__]

    def __copy__(self) -> Self:
        return self.__replace__()

    def __replace__(self, /, **changes: Any) -> Self:
        return _as_unknown_to(self, super().__replace__(**changes))

    def __reduce__(self) -> tuple[Any, ...]:
        how = cast("tuple[Any, ...]", super().__reduce__())
        return (*how[:2], self.unknown_fields) if self.unknown_fields else how

    def __setstate__(self, state: bytes) -> None:
        self.unknown_fields = state

    def to_wire(self, layout: Literal["native"] | L = "native") -> bytes:
        """The bincode bytes of this message in a layout. Raises CodecError for what the layout cannot carry.

        The unknown fields of protobuf's encoding are left out: bincode has no place for what a struct has no field for.
        """
        encode, _ = self.__registration__.layout(layout)
        writer = BytesWriter()
        encode(self, writer)
        return writer.getvalue()

    @classmethod
    def from_wire(cls, data: bytes, layout: Literal["native"] | L = "native") -> Self:
        """The message in bincode bytes of a layout. Raises CodecError for bytes that are not one."""
        _, decode = cls.__registration__.layout(layout)
        return _as(cls, decode(data, 0, len(data)))

    def to_protobuf(self) -> bytes:
        """The protobuf encoding of this message. Raises CodecError for what its types cannot carry."""
        encode, _ = self.__registration__.protobuf
        writer = BytesWriter()
        encode(self, writer)
        return writer.getvalue()

    @classmethod
    def from_protobuf(cls, data: bytes) -> Self:
        """The message of a protobuf encoding. Raises CodecError for bytes that are not one."""
        _, decode = cls.__registration__.protobuf
        return _as(cls, decode(data, 0, len(data)))

    def to_proto(self) -> P:
        """The same message as an object of protobuf's.

        Raises:
            CodecError: the message is none of its types.
            MissingExtraError: protobuf is not installed, or googleapis-common-protos where the IDL imports that.
            ConfigError: protobuf's class cannot be loaded beside another version of its file.
        """
        proto: P = self.__registration__.bridge.to_proto(self)
        return proto

    @classmethod
    def from_proto(cls, proto: P) -> Self:
        """The message that an object of protobuf's holds. Raises as `to_proto`."""
        return _as(cls, cls.__registration__.bridge.from_proto(proto))

    def to_json(self, *, with_defaults: bool = False) -> str:
        """This message in proto3's JSON mapping, on one line. Raises CodecError for what has no JSON.

        Args:
            with_defaults: write zeros, empty texts, lists and maps too, but for fields that can be absent.
        """
        from eventflux_runtime.message.json_write import dump  # noqa: PLC0415 - few programs need it

        return dump(self, self.__registration__, with_defaults)

    @classmethod
    def from_json(cls, data: str | bytes, *, ignore_unknown_fields: bool = False) -> Self:
        """The message of a JSON text in proto3's mapping. Raises CodecError for a text that is not one.

        Args:
            data: the text, in UTF-8 where it is bytes.
            ignore_unknown_fields: leave out fields, and names of enums, that the class does not know.
        """
        from eventflux_runtime.message.json_read import load  # noqa: PLC0415 - few programs need it

        return _as(cls, load(data, cls.__registration__, ignore_unknown_fields))


def _as(kind: type[M], message: Any) -> M:
    """A message that was read, as one of the class that was asked, which may be a child of the generated one."""
    if type(message) is kind:
        return message
    return _as_unknown_to(message, kind(**msgspec.structs.asdict(message)))


def _as_unknown_to(message: Message[Any, Any], made: M) -> M:
    """What was made of a message, with the message's unknown fields."""
    if message.unknown_fields:
        made.unknown_fields = message.unknown_fields
    return made
