"""Emits the functions that write and read a message, in the native layout and in those that the options name."""

from __future__ import annotations

from collections.abc import Iterable

from eventflux_codegen.codec_field import (
    indented,
    made,
    read_closed,
    read_field,
    unfit_values,
    write_closed,
    write_field,
)
from eventflux_codegen.model import Cardinality, Field, Layout, Message
from eventflux_codegen.naming import in_capitals

__all__ = ["layout_functions", "native_functions"]

_MALFORMED = (
    "except (IndexError, UnicodeDecodeError) as error:",
    "    raise malformed(field, pos, limit, error) from None",
)


def native_functions(message: Message) -> list[list[str]]:
    """The functions of the native layout, as lines.

    A message that can contain itself is written by a function that counts how deep it is; one that is a field of
    another is read by a function that returns where it ends.
    """
    head = _head("encode", message, message.snake, "native layout")
    deep = message.name if message.is_recursive else ""
    body = _encoded(message, [line for field in message.wire_fields for line in write_field(field, deep)])
    if message.is_recursive:
        deeper = f"def _write_{message.snake}(message: {message.local}, writer: BytesWriter, depth: i64) -> None:"
        encoders = [
            [*head, f"    _write_{message.snake}(message, writer, 0)"],
            [deeper, *indented(_limited(message, "-1")), *indented(body)],
        ]
    else:
        encoders = [[*head, *indented(body)]]
    return [*encoders, *_native_decoders(message)]


def layout_functions(message: Message, layout: Layout) -> list[list[str]]:
    """The functions of a named layout, behind the tuples of members that they need, as lines."""
    suffix = f"{message.snake}_{layout.snake}"
    members = {name: f"_{in_capitals(suffix)}_{name.upper()}" for name in layout.closed}
    tuples = [
        f"{members[name]}: Final = ({''.join(f'{closed.enum.local}.{member}, ' for member in closed.members)})"
        for name, closed in layout.closed.items()
    ]
    written, read = [], []
    for field in layout.fields:
        closed = layout.closed.get(field.name)
        if closed is None:
            written += write_field(field)
            read += read_field(field)
        else:
            written += write_closed(field, closed, members[field.name], layout.name)
            read += read_closed(field, closed, members[field.name])
    depth = ["depth: i64 = 0"] if any(_is_nested(field) for field in layout.fields) else []
    where = f"layout {layout.name}"
    encoder = [
        *_head("encode", message, suffix, where),
        *indented(depth),
        *indented(_encoded(message, [*_refused(layout), *written])),
    ]
    decoder = [
        *_head("decode", message, suffix, where),
        *indented(_whole(message, depth, read)),
        f"    return {made(message, layout.fields)}",
    ]
    return [*([tuples] if tuples else []), encoder, decoder]


def _native_decoders(message: Message) -> list[list[str]]:
    head = _head("decode", message, message.snake, "native layout")
    deep = message.name if message.is_recursive else ""
    read = [line for field in message.wire_fields for line in read_field(field, deep)]
    if not message.is_embedded:
        depth = ["depth: i64 = 0"] if message.is_recursive else []
        return [[*head, *indented(_whole(message, depth, read)), f"    return {made(message, message.fields)}"]]
    parameter, start = (", depth: i64", ", 0") if message.is_recursive else ("", "")
    outer = [
        *head,
        *indented(_cut()),
        f"    message, pos = {message.reader}(data, 0{start})",
        *indented(_ended(message, "len(data)")),
        "    return message",
    ]
    inner = [
        f"def {message.reader}(data: bytes, pos: i64{parameter}) -> tuple[{message.local}, i64]:",
        *indented(_limited(message, "pos") if message.is_recursive else []),
        *indented(["limit: i64 = len(data)"] if read else []),
        *indented(_guarded(read)),
        f"    return {made(message, message.fields)}, pos",
    ]
    return [outer, inner]


def _head(verb: str, message: Message, suffix: str, where: str) -> list[str]:
    if verb == "encode":
        return [
            f"def encode_{suffix}(message: {message.local}, writer: BytesWriter) -> None:",
            f'    """Appends a {message.name} in the {where}. Raises CodecError."""',
        ]
    return [
        f"def decode_{suffix}(data: bytes, start: int, end: int) -> {message.local}:",
        f'    """The {message.name} in ``data[start:end]``, {where}. Raises CodecError."""',
    ]


def _encoded(message: Message, written: list[str]) -> list[str]:
    """The body of an encoder, around the code that writes the fields."""
    lines = [f"if type(message) is not _{message.local}:", f"    message = require(message, _{message.local})"]
    if not message.fields:
        return lines
    return [*lines, 'field = ""', "try:", *indented(["values = _astuple(message)", *written]), *unfit_values(message)]


def _whole(message: Message, depth: list[str], read: list[str]) -> list[str]:
    """The body of a decoder that reads the input to its end."""
    return [*_cut(), "pos: i64 = 0", *depth, "limit: i64 = len(data)", *_guarded(read), *_ended(message, "limit")]


def _guarded(read: list[str]) -> list[str]:
    return ['field = ""', "try:", *indented(read), *_MALFORMED] if read else []


def _cut() -> list[str]:
    return ["if start != 0 or end != len(data):", "    data = data[start:end]"]


def _ended(message: Message, end: str) -> list[str]:
    return [f"if pos != {end}:", f'    raise trailing("{message.name}", pos, {end})']


def _limited(message: Message, pos: str) -> list[str]:
    return ["if depth > _MAX_DEPTH:", f'    raise too_deep("{message.name}", _MAX_DEPTH, {pos})']


def _refused(layout: Layout) -> Iterable[str]:
    """The code that refuses the fields that a layout lacks, where they are set."""
    for field in layout.lacks:
        yield f"if values[{field.index}]{_presence(field)}:"
        yield f'    raise lacking(message, "{field.path}", "{layout.name}")'


def _presence(field: Field) -> str:
    if field.cardinality is Cardinality.OPTIONAL and field.value is not None:
        return f" is not {field.value.absent}"
    return " is not None" if field.cardinality is Cardinality.ONEOF else ""


def _is_nested(field: Field) -> bool:
    """Whether the code of a field counts how deep it is."""
    values = (field.value, *(variant.value for variant in field.variants))
    return any(value.is_recursive for value in values if value is not None)
