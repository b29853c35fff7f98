"""Small models of values, fields and messages, as the generator's functions take them."""

from __future__ import annotations

from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Cardinality, Field, Layout, Message, Value, ValueKind

__all__ = ["enum", "field", "message", "scalar", "text", "whole"]


def scalar(kind: ValueKind) -> Value:
    """A value that is neither an enum nor a message."""
    row = KINDS[kind]
    return Value(kind, row.annotation, row.annotation, row.default, min_bytes=row.min_bytes)


def enum(dense_members: int) -> Value:
    """A value of the enum ``Color``, whose numbers have gaps if there are no dense members."""
    return Value(ValueKind.ENUM, "Color", "Color", "Color.RED", "color", dense_members, min_bytes=4)


def message(name: str, *, is_recursive: bool = False, min_bytes: int = 3) -> Value:
    """A value of a message class, which is imported under another name."""
    snake = name.lower()
    return Value(
        ValueKind.MESSAGE, name, f"{name}_", f"{name}()", snake, is_recursive=is_recursive, min_bytes=min_bytes
    )


def field(cardinality: Cardinality, value: Value | None, **more: object) -> Field:
    """The third attribute of ``M``, which is its fifth field: a local of its own is called by that."""
    given: dict[str, object] = {"name": "f", "proto_name": "f", "number": 1, "path": "M.f", "index": 2, "slot": "4"}
    unseen: dict[str, object] = {"annotation": "", "default": "", "doc": (), "expects": ""}
    arguments: dict[str, object] = given | unseen | more
    return Field(cardinality=cardinality, value=value, **arguments)  # type: ignore[arg-type] # each is what it should be


def whole(
    *fields: Field, layouts: tuple[Layout, ...] = (), is_recursive: bool = False, is_embedded: bool = False
) -> Message:
    """The message ``p.M`` of those fields."""
    return Message(
        name="M",
        local="M",
        full_name="p.M",
        snake="m",
        pb_path="p_pb2.M",
        pb_place="x.p_pb2:M",
        doc=(),
        fields=fields,
        wire_fields=fields,
        layouts=layouts,
        factories=(),
        builders=(),
        payload=None,
        is_recursive=is_recursive,
        is_embedded=is_embedded,
    )


def text(functions: list[list[str]]) -> str:
    """The source of functions, an empty line between them."""
    return "\n\n".join("\n".join(lines) for lines in functions)
