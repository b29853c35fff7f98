"""Emits the code that writes or reads one field, by its cardinality.

An encoder has the attributes of its message in ``values``, a decoder the input in ``data``, up to ``limit``, and its
position in ``pos``. Both say in ``field`` where they are, so that one handler can name the field at fault.
"""

from __future__ import annotations

from collections.abc import Iterable

from eventflux_codegen.kind import read_value, write_value
from eventflux_codegen.model import Cardinality, ClosedEnum, Field, Message, Value, ValueKind

__all__ = [
    "indented",
    "made",
    "read_closed",
    "read_field",
    "require_set",
    "unfit_values",
    "write_closed",
    "write_field",
]


def write_field(field: Field, deep: str = "") -> list[str]:
    """The code that writes a field of a message; `deep` is its name, if its functions count how deep they are."""
    lines = [_position(field)]
    if field.value is None:
        return lines + _write_oneof(field)
    if field.key is not None:
        return lines + _write_map(field, field.key, field.value, deep)
    match field.cardinality:
        case Cardinality.REPEATED:
            return lines + _write_list(field, field.value)
        case Cardinality.OPTIONAL:
            return lines + _write_optional(field, field.value)
        case Cardinality.REQUIRED:
            return [*lines, *require_set(field, field.value), *write_value(field.value, field.local)]
        case _:
            return lines + _write_single(field, field.value)


def read_field(field: Field, deep: str = "") -> list[str]:
    """The code that reads a field into its local variable; `deep` as for `write_field`."""
    lines = [_position(field)]
    if field.value is None:
        return lines + _read_oneof(field)
    if field.key is not None:
        return lines + _read_map(field, field.key, field.value, deep)
    match field.cardinality:
        case Cardinality.REPEATED:
            return lines + _read_list(field, field.value)
        case Cardinality.OPTIONAL:
            return lines + _read_optional(field, field.value)
        case _:
            return lines + read_value(field.value, field.local)


def write_closed(field: Field, closed: ClosedEnum, members: str, layout: str) -> list[str]:
    """The code that writes an enum as the index of a member in the tuple `members`."""
    return [
        _position(field),
        f"{field.local}: {closed.enum.local} = {_source(field)}",
        f"if {field.local} not in {members}:",
        f'    raise no_variant(message, field, "{layout}")',
        f"write_i32_le(writer, {members}.index({field.local}))",
    ]


def read_closed(field: Field, closed: ClosedEnum, members: str) -> list[str]:
    """The code that reads the index of a member in the tuple `members`."""
    count = len(closed.members)
    return [
        _position(field),
        "number = read_i32_le(data, pos)",
        f"if not 0 <= number < {count}:",
        f"    raise bad_variant(field, pos, number, {count})",
        "pos += 4",
        f"{field.local} = {members}[number]",
    ]


def require_set(field: Field, value: Value) -> list[str]:
    """The code that gives a required field its local variable, and refuses a message without it."""
    held = value.held if value.held == "object" else value.optional_local
    lines = (
        f"{field.local}: {held} = {_source(field)}",
        f"if {field.local} is {value.absent}:",
        "    raise unset(field)",
    )
    return list(lines)


def made(message: Message, fields: Iterable[Field]) -> str:
    """The expression for a message of fields that were read; keywords cost a twentieth of what decoding takes."""
    return f"_{message.local}({', '.join(f'{field.name}={field.local}' for field in fields)})"


def unfit_values(message: Message) -> list[str]:
    """The code that says what is wrong with a value, behind the code that writes all of them."""
    lines = [
        "except (AttributeError, OverflowError, TypeError, ValueError):",
        "    raise unfit(message, field, EXPECTS) from None",
    ]
    if message.hides_messages:
        lines += ["except CodecError as error:", "    raise veiled(message, field, error) from None"]
    return lines


def indented(lines: Iterable[str]) -> list[str]:
    """Lines within a block."""
    return [f"    {line}" for line in lines]


def _position(field: Field) -> str:
    return f'field = "{field.path}"'


def _source(field: Field) -> str:
    return f"values[{field.index}]"


def _write_single(field: Field, value: Value) -> list[str]:
    if value.kind is ValueKind.STR:
        return [f"{field.local}: str = {_source(field)}", *write_value(value, field.local)]
    return write_value(value, _source(field))


def _write_optional(field: Field, value: Value) -> list[str]:
    held = value.held if value.held == "object" else value.optional_local
    return [
        f"{field.local}: {held} = {_source(field)}",
        f"if {field.local} is {value.absent}:",
        "    writer.append(0)",
        "else:",
        "    writer.append(1)",
        *indented(write_value(value, field.local)),
    ]


def _write_list(field: Field, value: Value) -> list[str]:
    item = f"item{field.slot}"
    lines = [
        f"{field.local}: object = {_source(field)}",
        f"if not isinstance({field.local}, list):",
        "    raise TypeError",
    ]
    if value.min_bytes == 0:
        lines += [
            f"if len({field.local}) > _MAX_EMPTY:",
            f"    raise too_many_empty(field, _MAX_EMPTY, len({field.local}))",
        ]
    return [
        *lines,
        f"write_i64_le(writer, len({field.local}))",
        f"{item}: {value.held}",
        f"for {item} in {field.local}:",
        *indented(write_value(value, item)),
    ]


def _write_map(field: Field, key: Value, value: Value, deep: str) -> list[str]:
    """An entry is a message too, so that the same depth is the limit in every encoding."""
    name, item = f"key{field.slot}", f"item{field.slot}"
    too_deep = [f"if {field.local} and depth == _MAX_DEPTH:", f'    raise too_deep("{deep}", _MAX_DEPTH, -1)']
    return [
        f"{field.local}: object = {_source(field)}",
        f"if not isinstance({field.local}, dict):",
        "    raise TypeError",
        *(too_deep if deep else []),
        f"write_i64_le(writer, len({field.local}))",
        f"{name}: {key.local}",
        f"{item}: {value.held}",
        f"for {name}, {item} in {field.local}.items():",
        *indented(write_value(key, name)),
        *indented(write_value(value, item, levels=2)),
    ]


def _write_oneof(field: Field) -> list[str]:
    lines = [f"{field.local}: object = {_source(field)}", f"if {field.local} is None:", "    writer.append(0)"]
    for variant in field.variants:
        source = f"{field.local}.value"
        lines += [
            f"elif isinstance({field.local}, {variant.local}):",
            "    writer.append(1)",
            f"    write_i32_le(writer, {variant.index})",
        ]
        if variant.value.is_message:
            item = f"item{variant.slot}"
            lines += [f"    {item}: {variant.value.held} = {source}", *indented(write_value(variant.value, item))]
        else:
            lines += indented(write_value(variant.value, source))
    return [*lines, "else:", "    raise TypeError"]


def _read_flag() -> list[str]:
    return [
        "flag = data[pos]",
        "if flag > 1:",
        "    raise bad_flag(field, pos, flag)",
        "pos += 1",
    ]


def _read_count(min_bytes: int) -> list[str]:
    """The code that reads how many elements there are, and believes no more than the input has room for."""
    room = f"(limit - pos) // {min_bytes}"
    return [
        "count = read_i64_le(data, pos)",
        "pos += 8",
        f"if not 0 <= count <= {room}:",
        f"    raise overlong(field, pos - 8, count, {room})",
    ]


def _read_optional(field: Field, value: Value) -> list[str]:
    return [
        *_read_flag(),
        f"{field.local}: {value.optional_local} = {value.absent}",
        "if flag == 1:",
        *indented(read_value(value, field.local)),
    ]


def _read_list(field: Field, value: Value) -> list[str]:
    count = _read_count(value.min_bytes)
    if value.min_bytes == 0:
        count[2:] = [
            "if not 0 <= count <= _MAX_EMPTY:",
            "    raise too_many_empty(field, _MAX_EMPTY, count, pos - 8)",
        ]
    item = f"item{field.slot}"
    return [
        *count,
        f"{field.local}: list[{value.local}] = []",
        "for _ in range(count):",
        *indented(read_value(value, item)),
        f"    {field.local}.append({item})",
    ]


def _read_map(field: Field, key: Value, value: Value, deep: str) -> list[str]:
    name, item = f"key{field.slot}", f"item{field.slot}"
    too_deep = ["if count and depth == _MAX_DEPTH:", f'    raise too_deep("{deep}", _MAX_DEPTH, pos - 8)']
    return [
        *_read_count(key.min_bytes + value.min_bytes),
        *(too_deep if deep else []),
        f"{field.local}: dict[{key.local}, {value.local}] = {{}}",
        "for _ in range(count):",
        *indented(read_value(key, name)),
        *indented(read_value(value, item, levels=2)),
        f"    {field.local}[{name}] = {item}",
    ]


def _read_oneof(field: Field) -> list[str]:
    lines = [
        *_read_flag(),
        f"{field.local}: {field.union_local} | None = None",
        "if flag == 1:",
        "    number = read_i32_le(data, pos)",
        "    pos += 4",
    ]
    for variant in field.variants:
        item, word = f"item{variant.slot}", "if" if variant.index == 0 else "elif"
        lines += [
            f"    {word} number == {variant.index}:",
            *indented(indented(read_value(variant.value, item))),
            f"        {field.local} = {variant.local}({item})",
        ]
    count = len(field.variants)
    return [*lines, "    else:", f"        raise bad_variant(field, pos - 4, number, {count})"]
