"""Definitions as they would stand in a .proto file, made of descriptors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from eventflux_node.schema.option_text import option_texts

__all__ = ["ProtoText"]

_INDENT: Final = "  "
_Path = tuple[int, ...]
_TYPES: Final = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_MAX_FIELD: Final = 536_870_911
_MAX_ENUM: Final = 2_147_483_647


class ProtoText:
    """Writes the elements of one file.

    The path of an element is the one that source code info has: field numbers of the descriptors, and indices.
    """

    def __init__(self, file: FileDescriptorProto, pool: DescriptorPool) -> None:
        self._file = file
        self._pool = pool
        self._comments = {tuple(place.path): place for place in file.source_code_info.location}
        self._scope = f".{file.package}." if file.package else "."

    def definition(self, element: Any, path: _Path) -> str:
        """The text of a message, an enum, a service or a method, with its comments; no line end behind it."""
        match element:
            case ServiceDescriptorProto():
                lines = self._service(element, path)
            case MethodDescriptorProto():
                lines = self._method(element, path)
            case EnumDescriptorProto():
                lines = self._enum(element, path)
            case _:
                lines = self._message(element, path)
        return "\n".join(lines)

    def _service(self, service: ServiceDescriptorProto, path: _Path) -> Iterator[str]:
        yield from self._leading(path)
        yield f"service {service.name} {{"
        body = [self._statements(service.options)]
        body += [list(self._method(method, (*path, 2, index))) for index, method in enumerate(service.method)]
        yield from _indented(_parted(body))
        yield "}"

    def _method(self, method: MethodDescriptorProto, path: _Path) -> Iterator[str]:
        yield from self._leading(path)
        request = ("stream " if method.client_streaming else "") + self._type_name(method.input_type)
        response = ("stream " if method.server_streaming else "") + self._type_name(method.output_type)
        head = f"rpc {method.name}({request}) returns ({response})"
        statements = self._statements(method.options)
        if not statements:
            yield f"{head};"
            return
        yield f"{head} {{"
        yield from _indented(statements)
        yield "}"

    def _enum(self, enum: EnumDescriptorProto, path: _Path) -> Iterator[str]:
        yield from self._leading(path)
        yield f"enum {enum.name} {{"
        body = self._statements(enum.options)
        for index, value in enumerate(enum.value):
            place = (*path, 2, index)
            options = self._in_brackets(option_texts(value.options, self._pool))
            body += [*self._leading(place), f"{value.name} = {value.number}{options};{self._trailing(place)}"]
        # The end of a range of an enum belongs to it; that of a message does not.
        body += _reserved([(r.start, r.end) for r in enum.reserved_range], enum.reserved_name, _MAX_ENUM)
        yield from _indented(body)
        yield "}"

    def _message(self, message: DescriptorProto, path: _Path) -> Iterator[str]:
        yield from self._leading(path)
        yield f"message {message.name} {{"
        entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
        body = [self._statements(message.options), list(self._fields(message, path, entries))]
        ranges = [(r.start, r.end - 1) for r in message.extension_range]
        body.append([f"extensions {text};" for text in _range_texts(ranges, _MAX_FIELD)])
        reserved = [(r.start, r.end - 1) for r in message.reserved_range]
        body.append(_reserved(reserved, message.reserved_name, _MAX_FIELD))
        body += [
            list(self._message(nested, (*path, 3, index)))
            for index, nested in enumerate(message.nested_type)
            if not nested.options.map_entry
        ]
        body += [list(self._enum(nested, (*path, 4, index))) for index, nested in enumerate(message.enum_type)]
        yield from _indented(_parted(body))
        yield "}"

    def _fields(self, message: DescriptorProto, path: _Path, entries: dict[str, DescriptorProto]) -> Iterator[str]:
        """The fields in their order, a oneof where its first field stands."""
        written: set[int] = set()
        for index, field in enumerate(message.field):
            if not field.HasField("oneof_index") or field.proto3_optional:
                yield from self._field(field, (*path, 2, index), entries)
            elif field.oneof_index not in written:
                written.add(field.oneof_index)
                yield from self._oneof(message, field.oneof_index, path, entries)

    def _oneof(
        self, message: DescriptorProto, number: int, path: _Path, entries: dict[str, DescriptorProto]
    ) -> Iterator[str]:
        oneof = message.oneof_decl[number]
        yield from self._leading((*path, 8, number))
        yield f"oneof {oneof.name} {{"
        yield from _indented(self._statements(oneof.options))
        for index, field in enumerate(message.field):
            if field.HasField("oneof_index") and field.oneof_index == number:
                yield from _indented(self._field(field, (*path, 2, index), entries))
        yield "}"

    def _field(self, field: FieldDescriptorProto, path: _Path, entries: dict[str, DescriptorProto]) -> Iterator[str]:
        yield from self._leading(path)
        options = option_texts(field.options, self._pool)
        if field.HasField("default_value"):
            options.insert(0, f"default = {_default(field)}")
        if field.json_name and field.json_name != _json_name(field.name):
            options.append(f'json_name = "{field.json_name}"')
        declared = f"{self._label_and_type(field, entries)} {field.name} = {field.number}"
        yield f"{declared}{self._in_brackets(options)};{self._trailing(path)}"

    def _label_and_type(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> str:
        entry = entries.get(field.type_name.rpartition(".")[2]) if field.type_name else None
        if entry is not None and field.label == FieldDescriptorProto.LABEL_REPEATED:
            key, value = entry.field
            return f"map<{self._type(key)}, {self._type(value)}>"
        label = ""
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            label = "repeated "
        elif field.label == FieldDescriptorProto.LABEL_REQUIRED:
            label = "required "
        elif field.proto3_optional or (self._is_proto2 and not field.HasField("oneof_index")):
            label = "optional "
        return label + self._type(field)

    @property
    def _is_proto2(self) -> bool:
        return self._file.syntax in {"", "proto2"}

    def _type(self, field: FieldDescriptorProto) -> str:
        return self._type_name(field.type_name) if field.type_name else _TYPES[field.type]

    def _type_name(self, name: str) -> str:
        """A full name, without the package where it is that of the file."""
        return name.removeprefix(self._scope) if name.startswith(self._scope) else name.removeprefix(".")

    def _statements(self, options: Any) -> list[str]:
        return [f"option {text};" for text in option_texts(options, self._pool)]

    def _in_brackets(self, options: list[str]) -> str:
        return f" [{', '.join(options)}]" if options else ""

    def _leading(self, path: _Path) -> list[str]:
        place = self._comments.get(path)
        return _comment(place.leading_comments) if place is not None else []

    def _trailing(self, path: _Path) -> str:
        place = self._comments.get(path)
        lines = _comment(place.trailing_comments) if place is not None else []
        return f"  // {' '.join(line.removeprefix('//').strip() for line in lines)}" if lines else ""


def _comment(text: str) -> list[str]:
    return [f"//{line}".rstrip() for line in text.rstrip("\n").split("\n")] if text else []


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"{_INDENT}{line}" if line else "" for line in lines)


def _parted(blocks: Iterable[list[str]]) -> list[str]:
    """The blocks that have lines, with an empty line between those of which one has more than one."""
    lines: list[str] = []
    was_long = False
    for block in blocks:
        if not block:
            continue
        if lines and (was_long or len(block) > 1):
            lines.append("")
        lines += block
        was_long = len(block) > 1
    return lines


def _reserved(ranges: list[tuple[int, int]], names: Iterable[str], maximum: int) -> list[str]:
    texts = [f"reserved {text};" for text in _range_texts(ranges, maximum)]
    quoted = ", ".join(f'"{name}"' for name in names)
    return [*texts, f"reserved {quoted};"] if quoted else texts


def _range_texts(ranges: list[tuple[int, int]], maximum: int) -> list[str]:
    parts = [
        str(first) if first == last else f"{first} to {'max' if last == maximum else last}" for first, last in ranges
    ]
    return [", ".join(parts)] if parts else []


def _default(field: FieldDescriptorProto) -> str:
    if field.type == FieldDescriptorProto.TYPE_STRING:
        return json.dumps(field.default_value, ensure_ascii=False)
    # Of bytes the descriptor has the escaped form.
    return f'"{field.default_value}"' if field.type == FieldDescriptorProto.TYPE_BYTES else field.default_value


def _json_name(name: str) -> str:
    """``field_name`` as ``fieldName``, as protoc makes it."""
    parts = name.split("_")
    return parts[0] + "".join(part[:1].upper() + part[1:] for part in parts[1:])
