"""Protobuf's well-known messages: times, `Any`, field masks, wrappers, and those that describe types.

`codec.py` and `protobuf.py` beside this module are made by the generator. What has the order, the names and the types
of the fields are protobuf's own files, so the attributes here have to be the same; a test compares them.
"""

from __future__ import annotations

import typing
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final, Never, Self, TypeVar

import msgspec

from eventflux_runtime.message.base import Message
from eventflux_runtime.message.open_enum import OpenEnum
from eventflux_runtime.rpc.errors import CodecError

if TYPE_CHECKING:
    from google.protobuf import (
        any_pb2,  # noqa: F401 - named in quotes
        api_pb2,  # noqa: F401 - named in quotes
        duration_pb2,  # noqa: F401 - named in quotes
        empty_pb2,  # noqa: F401 - named in quotes
        field_mask_pb2,  # noqa: F401 - named in quotes
        source_context_pb2,  # noqa: F401 - named in quotes
        timestamp_pb2,  # noqa: F401 - named in quotes
        type_pb2,  # noqa: F401 - named in quotes
        wrappers_pb2,  # noqa: F401 - named in quotes
    )

__all__ = [
    "Any",
    "Api",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Duration",
    "Empty",
    "Enum",
    "EnumValue",
    "Field",
    "FieldCardinality",
    "FieldKind",
    "FieldMask",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "Method",
    "Mixin",
    "Option",
    "SourceContext",
    "StringValue",
    "Syntax",
    "Timestamp",
    "Type",
    "UInt32Value",
    "UInt64Value",
]

M = TypeVar("M", bound=Message[typing.Any, typing.Any])

NANOS: Final = 1_000_000_000
"""Nanoseconds of a second."""
MIN_TIMESTAMP_S: Final = -62_135_596_800
"""The beginning of the year 1."""
MAX_TIMESTAMP_S: Final = 253_402_300_799
"""The last second of the year 9999."""
MAX_DURATION_S: Final = 315_576_000_000
"""10,000 years, in either direction."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPE_PREFIX: Final = "type.googleapis.com"


class Timestamp(Message["timestamp_pb2.Timestamp", Never]):
    """A moment, in nanoseconds, from the year 1 to the year 9999."""

    seconds: int = 0
    """Seconds since 1970 in UTC, without leap seconds."""
    nanos: int = 0
    """Nanoseconds within the second, counted forward, from 0 to 999,999,999."""

    @classmethod
    def now(cls) -> Self:
        """This moment, in microseconds."""
        return cls.from_datetime(datetime.now(UTC))

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """The moment of a datetime with a time zone. Raises ValueError for one without."""
        if moment.utcoffset() is None:
            raise ValueError(f"{moment!r} has no time zone: say which, such as tzinfo=timezone.utc")
        since = moment - _EPOCH
        return cls(since.days * 86_400 + since.seconds, since.microseconds * 1000)

    def to_datetime(self, zone: tzinfo | None = None) -> datetime:
        """The moment as a datetime with a time zone, UTC unless told otherwise.

        A datetime has microseconds: what is below is left out, and still in `nanos`. Raises CodecError for a timestamp
        that is none.
        """
        self.check()
        moment = _EPOCH + timedelta(seconds=self.seconds, microseconds=self.nanos // 1000)
        return moment if zone is None else moment.astimezone(zone)

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> Self:
        """The moment so many nanoseconds after 1970."""
        return cls(*divmod(nanoseconds, NANOS))

    def to_nanoseconds(self) -> int:
        """The nanoseconds since 1970."""
        return self.seconds * NANOS + self.nanos

    def check(self) -> None:
        """Raises CodecError if this is no moment of the years 1 to 9999, which a peer may send all the same."""
        _check_range("Timestamp.seconds", self.seconds, MIN_TIMESTAMP_S, MAX_TIMESTAMP_S)
        _check_range("Timestamp.nanos", self.nanos, 0, NANOS - 1)


class Duration(Message["duration_pb2.Duration", Never]):
    """A span of time, in nanoseconds, of up to 10,000 years in either direction."""

    seconds: int = 0
    """Whole seconds."""
    nanos: int = 0
    """Nanoseconds beside them, of the same sign, from -999,999,999 to 999,999,999."""

    @classmethod
    def from_timedelta(cls, span: timedelta) -> Self:
        """The span of a timedelta."""
        return cls.from_nanoseconds((span.days * 86_400 + span.seconds) * NANOS + span.microseconds * 1000)

    def to_timedelta(self) -> timedelta:
        """The span as a timedelta.

        A timedelta has microseconds: what is below is left out, and still in `nanos`. Raises CodecError for a duration
        that is none.
        """
        self.check()
        microseconds = abs(self.nanos) // 1000
        return timedelta(seconds=self.seconds, microseconds=microseconds if self.nanos >= 0 else -microseconds)

    @classmethod
    def from_nanoseconds(cls, nanoseconds: int) -> Self:
        """A span of so many nanoseconds."""
        seconds, nanos = divmod(abs(nanoseconds), NANOS)
        return cls(seconds, nanos) if nanoseconds >= 0 else cls(-seconds, -nanos)

    def to_nanoseconds(self) -> int:
        """The whole span in nanoseconds."""
        return self.seconds * NANOS + self.nanos

    def check(self) -> None:
        """Raises CodecError if this is no span of at most 10,000 years, which a peer may send all the same."""
        _check_range("Duration.seconds", self.seconds, -MAX_DURATION_S, MAX_DURATION_S)
        _check_range("Duration.nanos", self.nanos, 1 - NANOS, NANOS - 1)
        if (self.seconds < 0 < self.nanos) or (self.nanos < 0 < self.seconds):
            raise CodecError(
                f"Duration.nanos: expected the sign of the seconds, {self.seconds}; found {self.nanos}",
                field="Duration.nanos",
            )


class Any(Message["any_pb2.Any", Never]):
    """A message of any type, packed beside the name of its type."""

    type_url: str = ""
    """The type, as ``type.googleapis.com/package.Message``; what counts is behind the last slash."""
    value: bytes = b""
    """The message in protobuf's encoding."""

    @classmethod
    def pack(cls, message: Message[typing.Any, typing.Any], prefix: str = _TYPE_PREFIX) -> Self:
        """Packs a message. Raises CodecError for what its types cannot carry."""
        return cls(f"{prefix}/{message.__registration__.type_name}", message.to_protobuf())

    @property
    def type_name(self) -> str:
        """The full name of the type of what is packed."""
        return self.type_url.rpartition("/")[2]

    def is_(self, kind: type[Message[typing.Any, typing.Any]]) -> bool:
        """Whether what is packed is a message of that class."""
        return "/" in self.type_url and self.type_name == kind.__registration__.type_name

    def unpack(self, kind: type[M]) -> M:
        """What is packed. Raises CodecError if it is of another class, or damaged."""
        if not self.is_(kind):
            expected = kind.__registration__.type_name
            raise CodecError(f"Any.type_url: expected {expected}; found {self.type_url!r}", field="Any.type_url")
        return kind.from_protobuf(self.value)


class Empty(Message["empty_pb2.Empty", Never]):
    """Nothing: what a method takes or gives that has nothing to say."""


class FieldMask(Message["field_mask_pb2.FieldMask", Never]):
    """Some fields of a message, such as those that an update changes."""

    paths: list[str] = msgspec.field(default_factory=list)
    """Names of fields as the IDL has them; ``a.b`` is the field b of the message in the field a."""


class SourceContext(Message["source_context_pb2.SourceContext", Never]):
    """Where an element of an IDL was written."""

    file_name: str = ""
    """The path of the .proto file."""


class Syntax(OpenEnum):
    """The syntax of a .proto file."""

    PROTO2 = 0
    PROTO3 = 1
    EDITIONS = 2


class Option(Message["type_pb2.Option", Never]):
    """An option of an element of an IDL."""

    name: str = ""
    value: Any | None = None


class FieldKind(OpenEnum):
    """The type of a field."""

    TYPE_UNKNOWN = 0
    TYPE_DOUBLE = 1
    TYPE_FLOAT = 2
    TYPE_INT64 = 3
    TYPE_UINT64 = 4
    TYPE_INT32 = 5
    TYPE_FIXED64 = 6
    TYPE_FIXED32 = 7
    TYPE_BOOL = 8
    TYPE_STRING = 9
    TYPE_GROUP = 10
    TYPE_MESSAGE = 11
    TYPE_BYTES = 12
    TYPE_UINT32 = 13
    TYPE_ENUM = 14
    TYPE_SFIXED32 = 15
    TYPE_SFIXED64 = 16
    TYPE_SINT32 = 17
    TYPE_SINT64 = 18


class FieldCardinality(OpenEnum):
    """How many values a field has."""

    UNKNOWN = 0
    OPTIONAL = 1
    REQUIRED = 2
    REPEATED = 3


class Field(Message["type_pb2.Field", Never]):
    """A field of a message type."""

    kind: FieldKind = FieldKind.TYPE_UNKNOWN
    cardinality: FieldCardinality = FieldCardinality.UNKNOWN
    number: int = 0
    name: str = ""
    type_url: str = ""
    oneof_index: int = 0
    packed: bool = False
    options: list[Option] = msgspec.field(default_factory=list)
    json_name: str = ""
    default_value: str = ""


class Type(Message["type_pb2.Type", Never]):
    """A message type."""

    name: str = ""
    fields: list[Field] = msgspec.field(default_factory=list)
    oneofs: list[str] = msgspec.field(default_factory=list)
    options: list[Option] = msgspec.field(default_factory=list)
    source_context: SourceContext | None = None
    syntax: Syntax = Syntax.PROTO2
    edition: str = ""


class EnumValue(Message["type_pb2.EnumValue", Never]):
    """A value of an enum type."""

    name: str = ""
    number: int = 0
    options: list[Option] = msgspec.field(default_factory=list)


class Enum(Message["type_pb2.Enum", Never]):
    """An enum type."""

    name: str = ""
    enumvalue: list[EnumValue] = msgspec.field(default_factory=list)
    options: list[Option] = msgspec.field(default_factory=list)
    source_context: SourceContext | None = None
    syntax: Syntax = Syntax.PROTO2
    edition: str = ""


class Method(Message["api_pb2.Method", Never]):
    """A method of an `Api`."""

    name: str = ""
    request_type_url: str = ""
    request_streaming: bool = False
    response_type_url: str = ""
    response_streaming: bool = False
    options: list[Option] = msgspec.field(default_factory=list)
    syntax: Syntax = Syntax.PROTO2
    edition: str = ""


class Mixin(Message["api_pb2.Mixin", Never]):
    """An interface whose methods another `Api` has too."""

    name: str = ""
    root: str = ""


class Api(Message["api_pb2.Api", Never]):
    """An interface: what an IDL calls a service."""

    name: str = ""
    methods: list[Method] = msgspec.field(default_factory=list)
    options: list[Option] = msgspec.field(default_factory=list)
    version: str = ""
    source_context: SourceContext | None = None
    mixins: list[Mixin] = msgspec.field(default_factory=list)
    syntax: Syntax = Syntax.PROTO2
    edition: str = ""


class DoubleValue(Message["wrappers_pb2.DoubleValue", Never]):
    """A double by itself. A field of this type is `float | None`."""

    value: float = 0.0


class FloatValue(Message["wrappers_pb2.FloatValue", Never]):
    """A float by itself. A field of this type is `float | None`."""

    value: float = 0.0


class Int64Value(Message["wrappers_pb2.Int64Value", Never]):
    """An int64 by itself. A field of this type is `int | None`."""

    value: int = 0


class UInt64Value(Message["wrappers_pb2.UInt64Value", Never]):
    """A uint64 by itself. A field of this type is `int | None`."""

    value: int = 0


class Int32Value(Message["wrappers_pb2.Int32Value", Never]):
    """An int32 by itself. A field of this type is `int | None`."""

    value: int = 0


class UInt32Value(Message["wrappers_pb2.UInt32Value", Never]):
    """A uint32 by itself. A field of this type is `int | None`."""

    value: int = 0


class BoolValue(Message["wrappers_pb2.BoolValue", Never]):
    """A bool by itself. A field of this type is `bool | None`."""

    value: bool = False


class StringValue(Message["wrappers_pb2.StringValue", Never]):
    """A string by itself. A field of this type is `str | None`."""

    value: str = ""


class BytesValue(Message["wrappers_pb2.BytesValue", Never]):
    """Bytes by themselves. A field of this type is `bytes | None`."""

    value: bytes = b""


def _check_range(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise CodecError(f"{field}: expected an int from {least} to {most}; found {value}", field=field)
