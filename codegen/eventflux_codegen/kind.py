"""The table of value kinds: how each stands in Python, in either encoding, in code that writes or reads it, in words.

Lines of code are filled in by `str.format`. ``{value}`` is the expression that is written, ``{target}`` the variable
that is read into, ``{name}`` and ``{local}`` are an enum's or a message's class where it is defined and where it is
imported; the rest is in `_parts`. The functions of librt that the lines call are those that mypyc knows best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from eventflux_codegen import protobuf_form
from eventflux_codegen.model import Lines, Value, ValueKind
from eventflux_codegen.naming import in_capitals
from eventflux_codegen.protobuf_form import Form

__all__ = ["KINDS", "Kind", "form_of", "members_of", "read_value", "value_words", "write_value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row."""

    annotation: str
    default: str
    """Proto3's default, as an expression."""
    min_bytes: int
    """The least bytes in bincode; a message's depend on its fields."""
    words: str
    """What an encoder takes."""
    write: Lines
    read: Lines
    protobuf: Form
    """The same in protobuf's encoding."""
    functions: str = ""
    """What the lines call and the codec has to define."""


_I32: Final = f"an int from {-(2**31)} to {2**31 - 1}"

_WRITE_BOOL: Final = """\
def _write_bool(writer: BytesWriter, value: object) -> None:
    if value is True:
        writer.append(1)
    elif value is False:
        writer.append(0)
    else:
        raise TypeError
"""
_WRITE_BYTES: Final = """\
def _write_bytes(writer: BytesWriter, value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError
    write_i64_le(writer, len(value))
    writer.write(value)
"""
_WRITE_ENUM: Final = """\
def _write_enum(writer: BytesWriter, value: int) -> None:
    write_i32_le(writer, value)
"""
_U32: Final = """\
def _write_u32(writer: BytesWriter, value: int) -> None:
    if not 0 <= value <= 0xFFFFFFFF:
        raise OverflowError
    write_i32_le(writer, value if value <= 0x7FFFFFFF else value - 0x100000000)


def _read_u32(data: bytes, pos: i64) -> int:
    value = int(read_i32_le(data, pos))
    return value if value >= 0 else value + 0x100000000
"""
_U64: Final = """\
def _write_u64(writer: BytesWriter, value: int) -> None:
    if not 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        raise OverflowError
    write_i64_le(writer, value if value <= 0x7FFFFFFFFFFFFFFF else value - 0x10000000000000000)


def _read_u64(data: bytes, pos: i64) -> int:
    value = int(read_i64_le(data, pos))
    return value if value >= 0 else value + 0x10000000000000000
"""

_READ_LENGTH: Final = ("begin = pos + 8", "pos = begin + read_i64_le(data, pos)")

_BINCODE: Final = {
    ValueKind.STR: Kind(
        annotation="str",
        default='""',
        min_bytes=8,
        words="a str that UTF-8 can encode",
        write=("text = {value}.encode()", "write_i64_le(writer, len(text))", "writer.write(text)"),
        read=(
            *_READ_LENGTH,
            "{target} = (",
            "    data[begin:pos].decode()",
            "    if pos > begin and limit >= pos",
            '    else ""',
            "    if pos == begin",
            "    else bad_length(field, begin, pos, limit)",
            ")",
        ),
        protobuf=protobuf_form.STR,
    ),
    ValueKind.BYTES: Kind(
        annotation="bytes",
        default='b""',
        min_bytes=8,
        words="bytes",
        write=("_write_bytes(writer, {value})",),
        read=(
            *_READ_LENGTH,
            "if pos < begin or pos > limit:",
            "    raise overlong(field, begin - 8, pos - begin, limit - begin)",
            "{target} = data[begin:pos]",
        ),
        protobuf=protobuf_form.BYTES,
        functions=_WRITE_BYTES,
    ),
    ValueKind.BOOL: Kind(
        annotation="bool",
        default="False",
        min_bytes=1,
        words="True or False",
        write=("_write_bool(writer, {value})",),
        read=(
            "flag = data[pos]",
            "if flag > 1:",
            "    raise bad_flag(field, pos, flag)",
            "pos += 1",
            "{target} = flag == 1",
        ),
        protobuf=protobuf_form.BOOL,
        functions=_WRITE_BOOL,
    ),
    ValueKind.I32: Kind(
        annotation="int",
        default="0",
        min_bytes=4,
        words=_I32,
        write=("write_i32_le(writer, {value})",),
        read=("{target} = read_i32_le(data, pos)", "pos += 4"),
        protobuf=protobuf_form.INT32,
    ),
    ValueKind.U32: Kind(
        annotation="int",
        default="0",
        min_bytes=4,
        words=f"an int from 0 to {2**32 - 1}",
        write=("_write_u32(writer, {value})",),
        read=("{target} = _read_u32(data, pos)", "pos += 4"),
        protobuf=protobuf_form.UINT32,
        functions=_U32,
    ),
    ValueKind.I64: Kind(
        annotation="int",
        default="0",
        min_bytes=8,
        words=f"an int from {-(2**63)} to {2**63 - 1}",
        write=("write_i64_le(writer, {value})",),
        read=("{target} = read_i64_le(data, pos)", "pos += 8"),
        protobuf=protobuf_form.INT64,
    ),
    ValueKind.U64: Kind(
        annotation="int",
        default="0",
        min_bytes=8,
        words=f"an int from 0 to {2**64 - 1}",
        write=("_write_u64(writer, {value})",),
        read=("{target} = _read_u64(data, pos)", "pos += 8"),
        protobuf=protobuf_form.UINT64,
        functions=_U64,
    ),
    ValueKind.F32: Kind(
        annotation="float",
        default="0.0",
        min_bytes=4,
        words="a float",
        write=("write_f32_le(writer, {value})",),
        read=("{target} = read_f32_le(data, pos)", "pos += 4"),
        protobuf=protobuf_form.FLOAT,
    ),
    ValueKind.F64: Kind(
        annotation="float",
        default="0.0",
        min_bytes=8,
        words="a float",
        write=("write_f64_le(writer, {value})",),
        read=("{target} = read_f64_le(data, pos)", "pos += 8"),
        protobuf=protobuf_form.DOUBLE,
    ),
    ValueKind.ENUM: Kind(
        annotation="{name}",
        default="{name}.{member}",
        min_bytes=4,
        words=f"{{name}} or {_I32}",
        write=("_write_enum(writer, {value})",),
        read=(
            "number = read_i32_le(data, pos)",
            "pos += 4",
            "{target} = {members}[number] if {is_member} else {local}(number)",
        ),
        protobuf=protobuf_form.ENUM,
        functions=_WRITE_ENUM,
    ),
    ValueKind.MESSAGE: Kind(
        annotation="{name}",
        default="{name}()",
        min_bytes=0,
        words="{name}",
        write=(
            "if not isinstance({value}, {local}):",
            "    raise TypeError",
            "{write}({value}, writer{deeper})",
        ),
        read=("{target}, pos = {read}(data, pos{deeper})",),
        protobuf=protobuf_form.MESSAGE,
    ),
}


def _plain(annotation: str, min_bytes: int, words: str) -> Kind:
    """A value of JSON, which is a plain value of Python; the runtime has the functions that write and read it."""
    return Kind(
        annotation=annotation,
        default="None",
        min_bytes=min_bytes,
        words=words,
        write=("{write}({value}, writer{deeper})",),
        read=("{target}, pos = {read}(data, pos{deeper})",),
        protobuf=protobuf_form.PLAIN,
    )


_PLAIN: Final = {
    ValueKind.STRUCT: _plain("dict[str, typing.Any]", 8, "a dict of str to values of JSON"),
    ValueKind.LIST_VALUE: _plain("list[typing.Any]", 8, "a list of values of JSON"),
    ValueKind.VALUE: _plain("well_known.JsonValue", 1, "None, a bool, a number, a str, a list or a dict"),
}

KINDS: Final[Mapping[ValueKind, Kind]] = (
    _BINCODE
    | _PLAIN
    | {
        ValueKind.SINT32: replace(_BINCODE[ValueKind.I32], protobuf=protobuf_form.SINT32),
        ValueKind.SFIXED32: replace(_BINCODE[ValueKind.I32], protobuf=protobuf_form.SFIXED32),
        ValueKind.FIXED32: replace(_BINCODE[ValueKind.U32], protobuf=protobuf_form.FIXED32),
        ValueKind.SINT64: replace(_BINCODE[ValueKind.I64], protobuf=protobuf_form.SINT64),
        ValueKind.SFIXED64: replace(_BINCODE[ValueKind.I64], protobuf=protobuf_form.SFIXED64),
        ValueKind.FIXED64: replace(_BINCODE[ValueKind.U64], protobuf=protobuf_form.FIXED64),
    }
)
"""One row for each kind; those that are alike in bincode differ in protobuf's encoding."""


_WRITE_CLOSED: Final = ("if {value} not in {members}:", "    raise ValueError", "_write_enum(writer, {value})")
_READ_CLOSED: Final = (
    "number = read_i32_le(data, pos)",
    "if not {is_member}:",
    "    raise no_member(field, pos, number)",
    "pos += 4",
    "{target} = {members}[number]",
)
"""What an enum is written and read by that takes no other numbers than its own."""


def form_of(value: Value) -> Form:
    """How a value stands in protobuf's encoding."""
    return protobuf_form.WRAPPED if value.is_wrapped else KINDS[value.kind].protobuf


def write_value(value: Value, expression: str, levels: int = 1) -> list[str]:
    """The code that writes what an expression gives, as the locals of an encoder have it, so many levels deeper."""
    lines = _WRITE_CLOSED if value.closed_numbers else KINDS[value.kind].write
    return [line.format(value=expression, **_parts(value, levels)) for line in lines]


def read_value(value: Value, target: str, levels: int = 1) -> list[str]:
    """The code that reads a value into a variable, so many levels deeper, and moves on behind it."""
    lines = _READ_CLOSED if value.closed_numbers else KINDS[value.kind].read
    return [line.format(target=target, **_parts(value, levels)) for line in lines]


def value_words(value: Value) -> str:
    """What an encoder takes for a value."""
    return value.annotation if value.closed_numbers else KINDS[value.kind].words.format(name=value.annotation)


def members_of(value: Value, number: str = "number") -> dict[str, str]:
    """What the lines for an enum say of the table of its members: a tuple where numbers have no gap, or else a dict."""
    members = f"_{in_capitals(value.snake)}"
    is_member = f"0 <= {number} < {value.dense_members}" if value.dense_members else f"{number} in {members}"
    return {"members": members, "is_member": is_member}


def _parts(value: Value, levels: int) -> dict[str, str]:
    return {
        **members_of(value),
        "local": value.local,
        "write": value.writer,
        "read": value.reader,
        "deeper": f", depth + {levels}" if value.is_recursive else "",
    }
