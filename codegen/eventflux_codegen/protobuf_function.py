"""Emits the functions that write and read a message in protobuf's encoding."""

from __future__ import annotations

from dataclasses import replace

from eventflux_codegen.codec_field import indented, made, unfit_values
from eventflux_codegen.model import Cardinality, Field, Message, Value
from eventflux_codegen.protobuf_read import Reader, choose_function, default_of, locals_of, reader_of, scan
from eventflux_codegen.protobuf_write import write_fields, write_given, write_set

__all__ = ["protobuf_functions"]

_WRITE_UNKNOWN = (
    "if message.__has_unknown_fields__:",
    "    writer.write(message.unknown_fields)",
)


def protobuf_functions(message: Message) -> list[list[str]]:
    """The functions of a message, as lines: its encoders, its decoders, and what those need for maps and oneofs.

    A message that can contain itself is written by a function that counts how deep it is; one that is a field of
    another is read by a function that takes the part of the input that it is in.
    """
    maps = [field for field in message.fields if field.cardinality is Cardinality.MAP]
    chosen = [choose_function(field, message.snake) for field in message.oneofs]
    return [
        *_encoders(message),
        *_decoders(message),
        *(_enter_function(message, field) for field in maps),
        *(lines for lines in chosen if lines),
    ]


def _encoders(message: Message) -> list[list[str]]:
    head = [
        f"def encode_{message.snake}_protobuf(message: {message.local}, writer: BytesWriter) -> None:",
        f'    """Appends a {message.name} in protobuf\'s encoding. Raises CodecError."""',
    ]
    body = [f"if type(message) is not _{message.local}:", f"    message = require(message, _{message.local})"]
    written = ["values = _astuple(message)", *write_fields(message)] if message.fields else []
    body += ['field = ""', "try:", *indented([*written, *_WRITE_UNKNOWN]), *unfit_values(message)]
    if not message.is_recursive:
        return [[*head, *indented(body)]]
    deeper = f"def _write_{message.snake}(message: {message.local}, writer: BytesWriter, depth: i64) -> None:"
    return [
        [*head, f"    _write_{message.snake}(message, writer, 0)"],
        [deeper, *indented([*_limited(message, "-1"), *body])],
    ]


def _decoders(message: Message) -> list[list[str]]:
    head = [
        f"def decode_{message.snake}_protobuf(data: bytes, start: int, end: int) -> {message.local}:",
        f'    """The {message.name} in ``data[start:end]``, protobuf\'s encoding. Raises CodecError."""',
        "    if start != 0 or end != len(data):",
        "        data = data[start:end]",
    ]
    body = [
        *_scanned(
            [reader_of(field, message.snake) for field in message.fields],
            f'path_of(FIELDS["{message.name}"], "{message.name}", tag)',
        ),
        f"message = {made(message, message.fields)}",
        "if unknown is not None:",
        "    message.unknown_fields = unknown.getvalue()",
        "return message",
    ]
    if not message.is_embedded:
        begun = ["pos: i64 = 0", "limit: i64 = len(data)", "depth: i64 = 0"]
        return [[*head, *indented([*begun, *body])]]
    reader = message.protobuf_reader
    inner = f"def {reader}(data: bytes, pos: i64, limit: i64, depth: i64) -> {message.local}:"
    limited = _limited(message, "pos") if message.is_recursive else []
    return [
        [*head, f"    return {reader}(data, 0, len(data), 0)"],
        [inner, *indented([*limited, *body])],
    ]


def _enter_function(message: Message, field: Field) -> list[str]:
    """The function that reads an entry of a map, and puts it there.

    As in protobuf, an entry with records that it does not know is kept among the unknown fields instead: its function
    returns it, with key and value in their order; otherwise no bytes.
    """
    key, value = _entry_part(field, 1), _entry_part(field, 2)
    key_type, item_type = _value_of(key), _value_of(value)
    entries = f"dict[{key_type.local}, {item_type.local}]"
    name = f"_enter_{message.snake}_{field.number}"
    write = write_given if field.has_explicit_entries else write_set
    return [
        f"def {name}(entries: {entries}, data: bytes, pos: i64, limit: i64, depth: i64) -> bytes:",
        *indented(_limited(message, "pos") if message.is_recursive else []),
        *indented(_scanned([reader_of(key, ""), reader_of(value, "")], f'"{field.path}"')),
        "    if unknown is not None:",
        "        entry = BytesWriter()",
        *indented(indented(write(key_type, 1, key.local, "1", "entry"))),
        *indented(indented(write(item_type, 2, value.local, "2", "entry"))),
        "        entry.write(unknown.getvalue())",
        "        return entry.getvalue()",
        f"    entries[{_taken(key)}] = {_taken(value)}",
        '    return b""',
    ]


def _taken(part: Field) -> str:
    """The key or the value of an entry that was read."""
    if part.cardinality is not Cardinality.OPTIONAL:
        return part.local
    value = _value_of(part)
    default = value.empty if value.is_message else default_of(value)
    return f"{part.local} if {part.local} is not {value.absent} else {default}"


def _scanned(readers: list[Reader], where: str) -> list[str]:
    """The code that reads every record up to the limit, and what is left to do behind them."""
    behind = [line for reader in readers for line in reader.behind]
    has_parts = any("repeats" in line for line in behind)
    return [
        *(line for reader in readers for line in reader.before),
        "unknown: BytesWriter | None = None",
        *(["repeats: Repeats | None = None"] if has_parts else []),
        "record: i64 = pos",
        "tag: i64 = 0",
        *locals_of(readers),
        "try:",
        *indented([*scan(readers, where), *behind]),
        "except (IndexError, ValueError) as error:",
        f"    raise bad_record({where}, record, pos, limit, error) from None",
    ]


def _entry_part(field: Field, number: int) -> Field:
    """The key or the value of a map, as a field of its entry."""
    value = field.key if number == 1 else field.value
    assert value is not None
    return replace(
        field,
        name="key" if number == 1 else "item",
        number=number,
        cardinality=Cardinality.OPTIONAL if value.is_message or field.has_explicit_entries else Cardinality.SINGLE,
        slot=str(number),
        value=value,
        key=None,
    )


def _value_of(field: Field) -> Value:
    assert field.value is not None
    return field.value


def _limited(message: Message, pos: str) -> list[str]:
    return ["if depth > _MAX_DEPTH:", f'    raise too_deep("{message.name}", _MAX_DEPTH, {pos})']
