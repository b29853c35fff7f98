"""What becomes of a field's value when one side writes it by one type and the other reads it by another.

A method whose messages differ travels as protobuf on the native wire too, so there are two cases: protobuf's encoding,
and JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Reading", "Shape", "read_as"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What goes wrong with a value on its way, each as the end of a sentence; empty where nothing does."""

    protobuf: str = ""
    json: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the value arrives as it was meant."""
        return not self.protobuf and not self.json


@dataclass(frozen=True, slots=True)
class Shape:
    """A field's type, as the lock has it written down."""

    label: str
    """``optional``, ``required``, ``repeated``, ``map``, ``oneof``, or nothing."""
    type: str
    """A scalar, ``enum`` and a full name, or the full name of a message; of a map, its values'."""
    key: str = ""
    """A map's keys' type."""

    @staticmethod
    def of(text: str, is_enum: Callable[[str], bool]) -> Shape:
        """Reads what the lock says, such as ``repeated string`` or ``map<string, demo.Point>``."""
        name, separator, _ = text.partition(" in oneof ")
        if separator:
            return Shape("oneof", _type(name, is_enum))
        if text.startswith("map<"):
            key, _, value = text.removeprefix("map<").removesuffix(">").partition(", ")
            return Shape("map", _type(value, is_enum), key)
        label, _, name = text.rpartition(" ")
        shape = Shape(label, _type(name, is_enum))
        is_message = _scalar(shape.type) is _MESSAGE
        return Shape("", shape.type) if is_message and label == "optional" else shape  # it may be absent in any case


@dataclass(frozen=True, slots=True)
class _Scalar:
    wire: str
    """How protobuf encodes it: values of one wire are told apart by the reader alone."""
    meaning: str
    json: str
    bounds: tuple[int, int] | None = None


def _signed(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _unsigned(bits: int) -> tuple[int, int]:
    return 0, (1 << bits) - 1


_SCALARS: Final[Mapping[str, _Scalar]] = {
    "int32": _Scalar("varint", "integer", "integer", _signed(32)),
    "int64": _Scalar("varint", "integer", "long", _signed(64)),
    "uint32": _Scalar("varint", "integer", "integer", _unsigned(32)),
    "uint64": _Scalar("varint", "integer", "long", _unsigned(64)),
    "sint32": _Scalar("varint", "zigzag", "integer", _signed(32)),
    "sint64": _Scalar("varint", "zigzag", "long", _signed(64)),
    "bool": _Scalar("varint", "integer", "bool", (0, 1)),
    "enum": _Scalar("varint", "integer", "enum", _signed(32)),
    "fixed32": _Scalar("32 bits", "integer", "integer", _unsigned(32)),
    "sfixed32": _Scalar("32 bits", "integer", "integer", _signed(32)),
    "float": _Scalar("32 bits", "float", "float"),
    "fixed64": _Scalar("64 bits", "integer", "long", _unsigned(64)),
    "sfixed64": _Scalar("64 bits", "integer", "long", _signed(64)),
    "double": _Scalar("64 bits", "float", "float"),
    "string": _Scalar("bytes", "text", "text"),
    "bytes": _Scalar("bytes", "bytes", "base64"),
}
_MESSAGE: Final = _Scalar("bytes", "message", "message")

_NUMBERS: Final = frozenset({"integer", "long"})
"""The JSON forms of integers: those of 64 bits are written as text."""

_UNSEEN: Final = "is not seen"
_REFUSED: Final = "is refused"
_OTHER_NUMBER: Final = "is read as another number"
_NO_ZERO: Final = "cannot tell zero from absent"
_NAMED: Final = "is refused where it has a name"
_BASE64: Final = "is refused unless it is base64, and read as that"
_NAME_READ: Final = "is refused, or its name is read"
_OTHER_JSON: Final[Mapping[tuple[str, str], str]] = {
    ("float", "integer"): "is refused unless it is whole",
    ("float", "long"): "is refused unless it is whole",
    ("long", "text"): "is read as the text of its digits",
    ("long", "base64"): _BASE64,
    ("text", "base64"): _BASE64,
    ("base64", "text"): "is read as base64",
    ("enum", "text"): _NAME_READ,
    ("enum", "base64"): _NAME_READ,
    ("enum", "integer"): _NAMED,
    ("enum", "long"): _NAMED,
    ("enum", "float"): _NAMED,
}
"""What becomes of the JSON of one type that another reads, where it is not refused in any case."""
_LAST: Final = "is lost but for the choice that was set last"


def read_as(written: Shape, read: Shape) -> Reading:
    """What goes wrong where a field is written by one type and read by another."""
    if "map" in (written.label, read.label):
        return _map(written, read)
    if (written.label == "repeated") != (read.label == "repeated"):
        return _list(written, read)
    value = _value(written.type, read.type)
    presence = _presence(written.label, read.label, read.type)
    return Reading(value.protobuf or presence, value.json or presence)


def _presence(written: str, read: str, kind: str) -> str:
    if written == read or "repeated" in (written, read):
        return ""
    if read == "oneof":
        return _LAST
    if read == "required":
        return "is refused where the field is not set"
    return _NO_ZERO if _scalar(kind) is not _MESSAGE and "" in (written, read) else ""


def _list(written: Shape, read: Shape) -> Reading:
    value = _value(written.type, read.type)
    if read.label == "repeated":
        return Reading(value.protobuf, _REFUSED)
    if value.protobuf:
        return Reading(value.protobuf, _REFUSED)
    kind = _scalar(written.type)
    if kind.wire != "bytes":
        return Reading(f"{_UNSEEN}, or only its last element", _REFUSED)
    return Reading("is merged into one" if kind is _MESSAGE else "is lost but for the last element", _REFUSED)


def _map(written: Shape, read: Shape) -> Reading:
    if written.label != read.label:
        both = {written.label, read.label}
        entries = "is read as a list of entries, or refused" if both == {"map", "repeated"} else _REFUSED
        return Reading(entries if _scalar(_other(written, read).type) is _MESSAGE else _UNSEEN, _REFUSED)
    key, value = _value(written.key, read.key), _value(written.type, read.type)
    # In JSON every key is text.
    return Reading(key.protobuf or value.protobuf, value.json or (_REFUSED if key.json else ""))


def _other(written: Shape, read: Shape) -> Shape:
    return read if written.label == "map" else written


def _value(written: str, read: str) -> Reading:
    if written == read:
        return Reading()
    writer, reader = _scalar(written), _scalar(read)
    if writer is reader is _MESSAGE:
        text = f"is read as {read}, which is right only where both have the same fields"
        return Reading(text, text)
    if writer is reader:
        return Reading("", f"is refused where {read} has no such name")
    return Reading(_protobuf(writer, reader, read), _json(writer, reader, read))


def _protobuf(writer: _Scalar, reader: _Scalar, read: str) -> str:
    if writer.wire != reader.wire:
        return _UNSEEN
    if writer.wire == "bytes":
        needed = {"text": "UTF-8", "message": f"an encoded {read}"}.get(reader.meaning)
        return f"is refused unless it is {needed}" if needed is not None else ""
    if writer.meaning != reader.meaning:
        return _OTHER_NUMBER
    if _holds(reader, writer):
        return ""
    return "is read as true unless it is 0" if read == "bool" else f"{_OTHER_NUMBER} where {read} does not hold it"


def _json(writer: _Scalar, reader: _Scalar, read: str) -> str:
    if writer.json == reader.json or (writer.json in _NUMBERS and reader.json in {*_NUMBERS, "enum"}):
        return "" if _holds(reader, writer) else f"is refused where {read} does not hold it"
    if writer.json in _NUMBERS and reader.json == "float":
        return "" if _is_exact(writer, read) else f"is rounded where {read} does not hold it"
    return _OTHER_JSON.get((writer.json, reader.json), _REFUSED)


def _is_exact(writer: _Scalar, read: str) -> bool:
    """Whether a floating-point type has every number of another one."""
    largest = 1 << (24 if read == "float" else 53)
    return writer.bounds is not None and -largest <= writer.bounds[0] and writer.bounds[1] <= largest


def _holds(reader: _Scalar, writer: _Scalar) -> bool:
    if reader.bounds is None or writer.bounds is None:
        return True
    return reader.bounds[0] <= writer.bounds[0] and writer.bounds[1] <= reader.bounds[1]


def _scalar(name: str) -> _Scalar:
    return _SCALARS.get(name.partition(" ")[0], _MESSAGE)


def _type(name: str, is_enum: Callable[[str], bool]) -> str:
    return f"enum {name}" if is_enum(name) else name
