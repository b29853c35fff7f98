"""Computes the fingerprint of a method: equal on two sides exactly if both read the same bytes the same way.

The fingerprint is the first eight bytes, as a big-endian number, of the SHA-256 of a text in UTF-8. Each line of the
text ends with a line feed:

- ``kind K``, where K is ``unary``, ``client_streaming``, ``server_streaming`` or ``bidi``;
- ``request M`` and ``response M``, where M is the full name of a message;
- for each message, in the order in which they are first mentioned above and below: ``message M``, then its fields in
  the order of the native layout, a line each: ``N NAME TYPE``, where N is the field number, or ``0`` for a oneof.

TYPE is one of ``str bytes bool i32 u32 i64 u64 f32 f64 enum``; one of ``sint32 sint64 fixed32 fixed64 sfixed32
sfixed64``, whose native layout is that of an i32, i64, u32 or u64, but not their protobuf encoding; ``message M``;
``optional TYPE`` for a field that may be absent; ``repeated TYPE``; ``map KEYTYPE TYPE``; or ``oneof``, which is
followed by its choices in the order of their variants, a line each: ``N NAME TYPE``. Enums have no name here: each is
an open i32, so that a new member is no new layout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from eventflux_codegen.model import Cardinality, Field, Message, Value

__all__ = ["canonical_text", "fingerprint"]


def fingerprint(kind: str, request: str, response: str, messages: Mapping[str, Message]) -> int:
    """The fingerprint of a method, from its kind, its messages' full names, and all messages by full name."""
    text = canonical_text(kind, request, response, messages)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def canonical_text(kind: str, request: str, response: str, messages: Mapping[str, Message]) -> str:
    """The text that is hashed."""
    lines = [f"kind {kind}", f"request {request}", f"response {response}"]
    mentioned = list(dict.fromkeys((request, response)))
    for name in mentioned:  # grows while it is walked
        lines.append(f"message {name}")
        for value, line in _field_lines(messages[name]):
            lines.append(line)
            if value is not None and value.is_message and value.full_name not in mentioned:
                mentioned.append(value.full_name)
    return "".join(f"{line}\n" for line in lines)


def _field_lines(message: Message) -> Iterator[tuple[Value | None, str]]:
    for field in message.wire_fields:
        yield field.value, f"{field.number} {field.proto_name} {_field_type(field)}"
        for variant in field.variants:
            yield variant.value, f"{variant.number} {variant.proto_name} {_value_type(variant.value)}"


def _field_type(field: Field) -> str:
    if field.value is None:
        return "oneof"
    value = _value_type(field.value)
    match field.cardinality:
        case Cardinality.OPTIONAL:
            return f"optional {value}"
        case Cardinality.REPEATED:
            return f"repeated {value}"
        case Cardinality.MAP if field.key is not None:
            return f"map {_value_type(field.key)} {value}"
        case _:
            return value


def _value_type(value: Value) -> str:
    return f"message {value.full_name}" if value.is_message else value.kind.value
