"""Emits the code that writes the fields of a message in protobuf's encoding, in the order of their numbers.

An encoder has the attributes of its message in ``values``, and says in ``field`` where it is, so that one handler can
name the field at fault. What has a length is written once that is known: a message and a packed list through a writer
of their own, ``part``, an entry of a map by the sizes of its key and its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from eventflux_codegen.codec_field import indented, require_set
from eventflux_codegen.kind import form_of, members_of
from eventflux_codegen.model import Cardinality, Field, Message, Value, ValueKind, Variant
from eventflux_codegen.protobuf_form import Wire

__all__ = ["write_fields", "write_given", "write_set"]

_CHECK_CLOSED: Final = ("if {value} not in {members}:", "    raise ValueError")
"""What comes before an enum that takes no other numbers than its own."""


def write_fields(message: Message) -> list[str]:
    """The code that writes every field of a message that is set."""
    numbered = [
        (variant.number if variant else field.number, field, variant)
        for field in message.fields
        for variant in (field.variants or (None,))
    ]
    lines: list[str] = []
    begun: set[int] = set()
    for index, run in groupby(sorted(numbered, key=lambda each: each[0]), key=lambda each: each[1].index):
        found = [(field, variant) for _, field, variant in run]
        field = found[0][0]
        lines.append(f'field = "{field.path}"')
        if field.cardinality is Cardinality.ONEOF:
            lines += _write_choices(field, [variant for _, variant in found if variant], is_first=index not in begun)
        else:
            lines += _write_plain(field, message.name if message.is_recursive else "")
        begun.add(index)
    return lines


def write_set(value: Value, number: int, source: str, slot: str, writer: str) -> list[str]:
    """The code that writes what a variable of the value's own type holds, unless that is the default."""
    form, bits = form_of(value), f"bits{slot}"
    prepared = [line.format(value=source, bits=bits, **_parts(value)) for line in form.prepare]
    put = [*_tag(number, form.wire, writer), *_put(value, bits, writer)]
    if form.is_given:
        return [f"if {form.is_given.format(value=source, absent=value.absent)}:", *indented([*prepared, *put])]
    return [*prepared, f"if {form.is_set.format(bits=bits)}:", *indented(put)]


def write_given(value: Value, number: int, source: str, slot: str, writer: str) -> list[str]:
    """The code that writes what a variable holds, unless nothing was given."""
    wire, bits = form_of(value).wire, f"bits{slot}"
    put = [*_prepare(value, source, bits), *_tag(number, wire, writer), *_put(value, bits, writer)]
    return [f"if {source} is not {value.absent}:", *indented(put)]


def _write_plain(field: Field, recursive: str) -> list[str]:
    """The code for a field that is no oneof; `recursive` is the message's name, if it counts how deep it is."""
    value, source, local = field.value, f"values[{field.index}]", field.local
    assert value is not None
    if field.key is not None:
        return _write_map(field, field.key, value, recursive)
    match field.cardinality:
        case Cardinality.REPEATED:
            return _write_list(field, value)
        case Cardinality.OPTIONAL:
            held = value.held if value.held == "object" else value.optional_local
            return [
                f"{local}: {held} = {source}",
                f"if {local} is not {value.absent}:",
                *indented(_write_one(value, field.number, local, field.slot)),
            ]
        case Cardinality.REQUIRED:
            return [*require_set(field, value), *_write_one(value, field.number, local, field.slot)]
        case _ if value.kind is ValueKind.STR:
            return [f"{local}: str = {source}", *write_set(value, field.number, local, field.slot, "writer")]
        case _:
            return write_set(value, field.number, source, field.slot, "writer")


def _write_one(value: Value, number: int, source: str, slot: str) -> list[str]:
    """The code that writes one record."""
    wire, bits = form_of(value).wire, f"bits{slot}"
    return [*_prepare(value, source, bits), *_tag(number, wire), *_put(value, bits)]


def _write_list(field: Field, value: Value) -> list[str]:
    local, item = field.local, f"item{field.slot}"
    checked = [f"{local}: object = values[{field.index}]", f"if not isinstance({local}, list):", "    raise TypeError"]
    held = f"{item}: {value.held}"
    each = f"for {item} in {local}:"
    if not field.is_packed:
        return [*checked, held, each, *indented(_write_one(value, field.number, item, field.slot))]
    bits = f"bits{field.slot}"
    return [
        *checked,
        f"if {local}:",
        "    part = BytesWriter()",
        f"    {held}",
        f"    {each}",
        *indented(indented([*_prepare(value, item, bits), *_put(value, bits, "part")])),
        *indented(_tag(field.number, Wire.LEN)),
        "    write_block(writer, part.getvalue())",
    ]


def _write_map(field: Field, key: Value, value: Value, recursive: str) -> list[str]:
    local, name, item = field.local, f"key{field.slot}", f"item{field.slot}"
    key_form, form = form_of(key), form_of(value)
    key_bits, bits = f"{name}_bits", f"{item}_bits"
    deep = [f"if {local} and depth == _MAX_DEPTH:", f'    raise too_deep("{recursive}", _MAX_DEPTH, -1)']
    return [
        f"{local}: object = values[{field.index}]",
        f"if not isinstance({local}, dict):",
        "    raise TypeError",
        *(deep if recursive else []),
        f"{name}: {key.local}",
        f"{item}: {value.held}",
        f"for {name}, {item} in {local}.items():",
        *indented(_prepare(key, name, key_bits)),
        *indented(_prepare(value, item, bits, levels=2)),
        *indented(_tag(field.number, Wire.LEN)),
        f"    write_varint(writer, {key_form.size.format(bits=key_bits)} + {form.size.format(bits=bits)} + 2)",
        *indented([*_tag(1, key_form.wire), *_put(key, key_bits)]),
        *indented([*_tag(2, form.wire), *_put(value, bits)]),
    ]


def _write_choices(field: Field, variants: list[Variant], *, is_first: bool) -> list[str]:
    """The code for some choices of a oneof, those whose numbers follow each other; the first looks for others too."""
    lines = [f"{field.local}: object = values[{field.index}]"] if is_first else []
    branches: list[str] = []
    for variant in variants:
        branches += [
            f"{'elif' if branches else 'if'} isinstance({field.local}, {variant.local}):",
            *indented(_write_choice(field, variant)),
        ]
    if is_first:
        others = [variant.local for variant in field.variants if variant not in variants]
        branches.append(f"elif not isinstance({field.local}, ({', '.join(others)},)):" if others else "else:")
        branches.append("    raise TypeError")
    return [*lines, f"if {field.local} is not None:", *indented(branches)]


def _write_choice(field: Field, variant: Variant) -> list[str]:
    source = f"{field.local}.value"
    if not variant.value.is_message:
        return _write_one(variant.value, variant.number, source, variant.slot)
    item = f"item{variant.slot}"
    return [f"{item}: {variant.value.held} = {source}", *_write_one(variant.value, variant.number, item, variant.slot)]


def _prepare(value: Value, source: str, bits: str, levels: int = 1) -> Iterable[str]:
    form = form_of(value)
    check = _CHECK_CLOSED if value.closed_numbers else form.check
    return [line.format(value=source, bits=bits, **_parts(value, levels)) for line in (*check, *form.prepare)]


def _put(value: Value, bits: str, writer: str = "writer") -> list[str]:
    return [line.format(bits=bits, writer=writer) for line in form_of(value).put]


def _tag(number: int, wire: Wire, writer: str = "writer") -> list[str]:
    """The code that writes a tag."""
    tag = number << 3 | wire
    if tag < 0x80:
        return [f"{writer}.append(0x{tag:02X})"]
    text = ""
    while tag >= 0x80:
        text += f"\\x{tag & 0x7F | 0x80:02x}"
        tag >>= 7
    return [f'{writer}.write(b"{text}\\x{tag:02x}")']


def _parts(value: Value, levels: int = 1) -> dict[str, str]:
    return {
        **members_of(value),
        "local": value.local,
        "write": value.protobuf_writer,
        "deeper": f", depth + {levels}" if value.is_recursive else "",
    }
