"""Emits the code that reads the records of a message in protobuf's encoding.

A decoder goes through ``data`` from ``pos`` to ``limit``, record by record: ``record`` is where one begins, ``tag`` its
number and wire type. The wire type says how the value is found: a varint as ``number``, a block as ``data[begin:pos]``,
a value of a fixed width at ``begin``; the tag says which field it is given to. A field that holds one message is read
behind all records, because the message may come in several parts, which are merged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.codec_field import indented
from eventflux_codegen.kind import form_of, members_of
from eventflux_codegen.model import Cardinality, Field, Value, Variant
from eventflux_codegen.protobuf_form import Wire

__all__ = ["Reader", "choose_function", "default_of", "locals_of", "reader_of", "scan"]

_VARINT: Final = (
    "number = data[{at}]",
    "{at} += 1",
    "if number >= 0x80:",
    "    number, {at} = long_varint(data, {at} - 1)",
)
_KEEP_ANY: Final = "unknown = keep_any(unknown, data, record, pos)"
_WIDTH: Final = {Wire.I32: 4, Wire.I64: 8}


@dataclass(frozen=True, slots=True)
class Reader:
    """The code that reads one field, in parts."""

    before: list[str]
    """What makes its local variables."""
    records: list[tuple[int, Wire, list[str]]]
    """For each number and wire type, what is done with a record of it."""
    behind: list[str]
    """What is left to do behind all records."""


def reader_of(field: Field, snake: str) -> Reader:
    """The code that reads a field of the message with that stem."""
    if field.cardinality is Cardinality.ONEOF:
        return _choices(field, snake)
    value = field.value
    assert value is not None
    if field.key is not None:
        return _map(field, field.key, value, snake)
    if field.cardinality is Cardinality.REPEATED:
        return _list(field, value)
    if value.is_message:
        return _message(field, value)
    form, local = form_of(value), field.local
    if field.cardinality in (Cardinality.OPTIONAL, Cardinality.REQUIRED):
        before = f"{local}: {value.local} | None = None"
    else:
        before = f"{local}: {form.held.format(local=value.local)} = {default_of(value)}"
    return Reader([before], [(field.number, form.wire, _store(value, f"{local} = {{}}"))], _checked(field))


def default_of(value: Value) -> str:
    """The expression for what a field holds where no record says otherwise."""
    if value.closed_numbers:  # the member that the IDL has first, whose number need not be 0
        return value.default.replace(value.spelled, value.local, 1)
    return f"{members_of(value)['members']}[0]" if value.snake else value.default


def _checked(field: Field) -> list[str]:
    """The code that refuses a message that lacks a required field."""
    if field.cardinality is not Cardinality.REQUIRED:
        return []
    assert field.value is not None
    return [f"if {field.local} is {field.value.absent}:", f'    raise absent("{field.path}", limit)']


def _store(value: Value, assignment: str, before: Sequence[str] = ()) -> list[str]:
    """The code that takes a value that was found, or keeps its record if its enum has no such number.

    `assignment` has braces where the value stands, and `before` is what comes first if it is taken.
    """
    if not value.closed_numbers:
        return [*before, assignment.format(_read(value))]
    parts = members_of(value, "member")
    return [
        "member = signed32(number)",
        f"if {parts['is_member']}:",
        *indented([*before, assignment.format(f"{parts['members']}[member]")]),
        "else:",
        f"    {_KEEP_ANY}",
    ]


def scan(readers: list[Reader], where: str) -> list[str]:
    """The loop over all records, around what each field does with its own; `where` is the field's path in an error."""
    by_wire: dict[Wire, list[str]] = {}
    for reader in readers:
        for number, wire, lines in reader.records:
            branch = by_wire.setdefault(wire, [])
            branch += [f"{'elif' if branch else 'if'} tag == 0x{number << 3 | wire:02X}:", *indented(lines)]
    keep = "unknown = keep(unknown, data, record, pos, tag)"
    lines = []
    for wire in (Wire.LEN, Wire.VARINT, Wire.I32, Wire.I64):
        if wire in by_wire:
            lines += [
                f"{'elif' if lines else 'if'} kind == {int(wire)}:",
                *indented([*_value_of(wire, where), *by_wire[wire], "else:", f"    {keep}"]),
            ]
    skip = "pos = skip_value(data, pos, limit, tag, depth)"
    return [
        "while pos < limit:",
        "    record = pos",
        "    tag = data[pos]",
        "    pos += 1",
        "    if tag >= 0x80:",
        "        tag, pos = long_tag(data, record)",
        *indented(["kind = tag & 7", *lines, "else:", f"    {skip}", f"    {keep}"] if lines else [skip, _KEEP_ANY]),
        "if pos != limit:",
        "    raise IndexError",
    ]


def locals_of(readers: list[Reader]) -> list[str]:
    """The declarations of the variables that the loop needs, without a value."""
    wires = {wire for reader in readers for _, wire, _ in reader.records}
    text = "\n".join(line for reader in readers for _, _, lines in reader.records for line in lines)
    names = [
        "kind" if wires else "",
        "size" if Wire.LEN in wires else "",
        "begin" if wires - {Wire.VARINT} else "",
        "number" if Wire.VARINT in wires or re.search(r"\bnumber\b", text) else "",
        "at" if "at = begin" in text else "",
        "member" if "member = " in text else "",
    ]
    return [f"{name}: i64" for name in names if name]


def _value_of(wire: Wire, where: str) -> list[str]:
    """The code that finds the value of a record, by its wire type."""
    match wire:
        case Wire.VARINT:
            return [line.format(at="pos") for line in _VARINT]
        case Wire.LEN:
            return [
                "size = data[pos]",
                "pos += 1",
                "if size >= 0x80:",
                "    size, pos = long_size(data, pos - 1)",
                "begin = pos",
                "pos += size",
                "if pos > limit:",
                f"    raise overrun({where}, record, size, limit - begin)",
            ]
        case _:
            return ["begin = pos", f"pos += {_WIDTH[wire]}"]


def _read(value: Value, at: str = "begin") -> str:
    """The expression for a value that was found."""
    parts = {**members_of(value), "local": value.local, "read": value.protobuf_reader, "at": at}
    return form_of(value).read.format(**parts)


def _list(field: Field, value: Value) -> Reader:
    form, local = form_of(value), field.local
    records = [(field.number, form.wire, _store(value, f"{local}.append({{}})"))]
    if form.is_packable:
        records.append((field.number, Wire.LEN, _packed(form.wire, _append(field, value))))
    return Reader([f"{local}: list[{value.local}] = []"], records, [])


def _append(field: Field, value: Value) -> list[str]:
    """The code that takes an element of a packed list; one that its enum does not know becomes a record of its own."""
    if not value.closed_numbers:
        return [f"{field.local}.append({_read(value, 'at')})"]
    parts = members_of(value, "member")
    return [
        "member = signed32(number)",
        f"if {parts['is_member']}:",
        f"    {field.local}.append({parts['members']}[member])",
        "else:",
        f"    unknown = keep_number(unknown, {field.number << 3 | Wire.VARINT}, number)",
    ]


def _packed(wire: Wire, append: list[str]) -> list[str]:
    """The code that reads elements that are one record."""
    if wire is Wire.VARINT:
        each = [*(line.format(at="at") for line in _VARINT), *append]
    else:
        each = [*append, f"at += {_WIDTH[wire]}"]
    return [
        "at = begin",
        "while at < pos:",
        *indented(each),
        "if at != pos:",
        '    raise ValueError("its length is not that of its elements")',
    ]


def _map(field: Field, key: Value, value: Value, snake: str) -> Reader:
    enter = [
        f"entry = _enter_{snake}_{field.number}({field.local}, data, begin, pos, depth + 1)",
        "if entry:",
        "    unknown = keep_entry(unknown, tag, entry)",
    ]
    before = f"{field.local}: dict[{key.local}, {value.local}] = {{}}"
    return Reader([before], [(field.number, Wire.LEN, enter)], [])


def _message(field: Field, value: Value) -> Reader:
    begin, end, local = f"begin{field.slot}", f"end{field.slot}", field.local
    tag = f"0x{field.number << 3 | Wire.LEN:02X}"
    later = [
        f"if {begin} >= 0:",
        f"    repeats = repeated(repeats, tag, data, {begin}, {end}, depth + 1)",
        f"{begin} = begin",
        f"{end} = pos",
    ]
    behind = [
        f"{local}: {value.optional_local} = {value.absent}",
        f"if {begin} >= 0:",
        *indented(_read_part(value, local, tag, begin, end)),
        *_checked(field),
    ]
    return Reader([f"{begin}: i64 = -1", f"{end}: i64 = 0"], [(field.number, Wire.LEN, later)], behind)


def _read_part(value: Value, target: str, tag: str, begin: str, end: str, depth: str = "depth + 1") -> list[str]:
    """The code that reads a message from its only part, or from all its parts."""
    read = value.protobuf_reader
    return [
        "if repeats is None:",
        f"    {target} = {read}(data, {begin}, {end}, {depth})",
        "else:",
        f"    {target} = repeats.read({read}, {tag}, data, {begin}, {end}, {depth})",
    ]


def _choices(field: Field, snake: str) -> Reader:
    local, slot = field.local, field.slot
    before = [f"{local}: {field.union_local} | None = None"]
    if not any(variant.value.is_message for variant in field.variants):
        return Reader(before, [_choose(field, variant, []) for variant in field.variants], [])
    choice, begin, end = f"choice{slot}", f"begin{slot}", f"end{slot}"
    chosen = f"_choose_{snake}_{slot}({choice}, data, {begin}, {end}, depth + 1, repeats)"
    before += [f"{choice}: i64 = 0", f"{begin}: i64 = 0", f"{end}: i64 = 0"]
    # What another choice takes the place of has to be well-formed all the same.
    dropped = [f"if {choice} != 0:", f"    {chosen}", f"    {choice} = 0"]
    records = []
    for variant in field.variants:
        if variant.value.is_message:
            later = [
                f"if {choice} == tag:",
                f"    repeats = repeated(repeats, tag, data, {begin}, {end}, depth + 1)",
                f"elif {choice} != 0:",
                f"    {chosen}",
                f"{choice} = tag",
                f"{begin} = begin",
                f"{end} = pos",
            ]
            records.append((variant.number, Wire.LEN, later))
        else:
            records.append(_choose(field, variant, dropped))
    return Reader(before, records, [f"if {choice} != 0:", f"    {local} = {chosen}"])


def _choose(field: Field, variant: Variant, dropped: list[str]) -> tuple[int, Wire, list[str]]:
    made = f"{field.local} = {variant.local}({{}})"
    return variant.number, form_of(variant.value).wire, _store(variant.value, made, dropped)


def choose_function(field: Field, snake: str) -> list[str]:
    """The function that reads the message that a oneof holds; none, if no choice of it is a message."""
    variants = [variant for variant in field.variants if variant.value.is_message]
    if not variants:
        return []
    arguments = "tag: i64, data: bytes, begin: i64, end: i64, depth: i64, repeats: Repeats | None"
    lines = [f"def _choose_{snake}_{field.slot}({arguments}) -> {field.union_local}:"]
    for variant in variants:
        tag, item = f"0x{variant.number << 3 | Wire.LEN:02X}", f"item{variant.slot}"
        read = [
            *_read_part(variant.value, item, tag, "begin", "end", "depth"),
            f"return {variant.local}({item})",
        ]
        lines += indented(read if variant is variants[-1] else [f"if tag == {tag}:", *indented(read)])
    return lines
