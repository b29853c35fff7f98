"""How each kind of value stands in protobuf's encoding, and the lines that write and read one there.

Lines are filled in by `str.format`. A value is written in three steps, so that its size is known before anything is
written: ``prepare`` makes ``{bits}`` of ``{value}``, whose size is ``size``, and ``put`` appends them to ``{writer}``.
``read`` is an expression: of ``number`` for a varint, of ``data[begin:pos]`` for a block, and of the position ``{at}``
for a value of a fixed width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from eventflux_codegen.model import Lines

__all__ = ["Form", "Wire"]


class Wire(IntEnum):
    """The wire types that values have (https://protobuf.dev/programming-guides/encoding/#structure)."""

    VARINT = 0
    I64 = 1
    LEN = 2
    I32 = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of value in protobuf's encoding."""

    wire: Wire
    prepare: Lines
    size: str
    put: Lines
    read: str
    held: str
    """The type of the local variable that a decoder reads it into."""
    check: Lines = ()
    """What comes before `prepare`, where a value's class is not known yet."""
    is_set: str = "{bits}"
    """Whether it differs from the default."""
    is_given: str = ""
    """The same, as it can be told of ``{value}`` and what stands for its absence, ``{absent}``, before `prepare`; then
    `is_set` is not asked."""

    @property
    def is_packable(self) -> bool:
        """Whether a list of such values may be one record."""
        return self.wire is not Wire.LEN


def _varint(function: str, read: str, held: str = "i64") -> Form:
    return Form(
        wire=Wire.VARINT,
        prepare=(f"{{bits}} = {function}({{value}})",),
        size="varint_size({bits})",
        put=("write_varint({writer}, {bits})",),
        read=read,
        held=held,
    )


def _fixed(wire: Wire, function: str, read: str, held: str = "int") -> Form:
    bits = 32 if wire is Wire.I32 else 64
    return Form(
        wire=wire,
        prepare=(f"{{bits}} = {function}({{value}})",),
        size=str(bits // 8),
        put=(f"write_fixed{bits}({{writer}}, {{bits}})",),
        read=read,
        held=held,
    )


def _float(wire: Wire) -> Form:
    bits = 32 if wire is Wire.I32 else 64
    return Form(
        wire=wire,
        prepare=("{bits}: float = {value}",),
        is_set="not is_zero({bits})",
        size=str(bits // 8),
        put=(f"write_f{bits}_le({{writer}}, {{bits}})",),
        read=f"read_f{bits}_le(data, {{at}})",
        held="float",
    )


STR: Final = Form(
    wire=Wire.LEN,
    prepare=("{bits} = {value}.encode()",),
    is_given='{value} != ""',
    size="block_size({bits})",
    put=("write_block({writer}, {bits})",),
    read="data[begin:pos].decode()",
    held="str",
)
BYTES: Final = replace(
    STR,
    prepare=("{bits} = block_of({value})",),
    is_given="",
    is_set="len({bits}) != 0",
    read="data[begin:pos]",
    held="bytes",
)
BOOL: Final = Form(
    wire=Wire.VARINT,
    prepare=("{bits} = bool_bits({value})",),
    size="1",
    put=("{writer}.append({bits})",),
    read="number != 0",
    held="bool",
)
INT32: Final = _varint("int32_bits", "(number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000")
UINT32: Final = _varint("uint32_bits", "number & 0xFFFFFFFF")
SINT32: Final = _varint("sint32_bits", "unzigzag(number & 0xFFFFFFFF)")
FIXED32: Final = _fixed(Wire.I32, "uint32_bits", "fixed32_at(data, {at})")
SFIXED32: Final = _fixed(Wire.I32, "int32_bits", "read_i32_le(data, {at})")
INT64: Final = _varint("int64_bits", "number")
UINT64: Final = _varint("uint64_bits", "uint64_of(number)", "int")
SINT64: Final = _varint("sint64_bits", "unzigzag(number)")
FIXED64: Final = _fixed(Wire.I64, "uint64_bits", "fixed64_at(data, {at})")
SFIXED64: Final = _fixed(Wire.I64, "int64_bits", "read_i64_le(data, {at})", "i64")
FLOAT: Final = _float(Wire.I32)
DOUBLE: Final = _float(Wire.I64)
ENUM: Final = _varint("int32_bits", "{members}[number] if {is_member} else {local}(signed32(number))", "{local}")
MESSAGE: Final = replace(
    STR,
    check=("if not isinstance({value}, {local}):", "    raise TypeError"),
    prepare=("part = BytesWriter()", "{write}({value}, part{deeper})", "{bits} = part.getvalue()"),
    is_given="{value} is not {absent}",
    read="{read}(data, begin, pos, depth + 1)",
    held="{local}",
)
PLAIN: Final = replace(MESSAGE, check=())
WRAPPED: Final = replace(PLAIN, prepare=("part = BytesWriter()", "{write}({value}, part)", "{bits} = part.getvalue()"))
