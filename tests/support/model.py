"""Small models of values, fields and messages, as the generator's functions take them."""

from __future__ import annotations

from dataclasses import replace

from eventflux_codegen.kind import KINDS
from eventflux_codegen.model import Cardinality, Field, Layout, Message, Value, ValueKind

__all__ = ["enum", "field", "message", "plain", "scalar", "text", "whole", "wrapped"]


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
        ValueKind.MESSAGE,
        name,
        f"{name}_",
        f"{name}()",
        snake,
        is_recursive=is_recursive,
        min_bytes=min_bytes,
        full_name=f"p.{name}",
    )


def plain(kind: ValueKind) -> Value:
    """A value of JSON, as it is one in Python."""
    local = {ValueKind.STRUCT: "dict[str, Any]", ValueKind.LIST_VALUE: "list[Any]", ValueKind.VALUE: "Any"}[kind]
    snake = kind.value.replace(" ", "_")
    made = Value(kind, KINDS[kind].annotation, local, "None", snake, is_recursive=True, min_bytes=KINDS[kind].min_bytes)
    return replace(made, full_name=f"google.protobuf.{snake}", is_shared=True)


def wrapped() -> Value:
    """An int32 in a message of its own."""
    return replace(scalar(ValueKind.I32), snake="int32_value", full_name="google.protobuf.Int32Value", is_shared=True)


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
