"""Computes the fingerprint of a method: equal on two sides exactly if both read the same bytes the same way.

The fingerprint is the first eight bytes, as a big-endian number, of the SHA-256 of a text in UTF-8. Each line of the
text ends with a line feed:

- ``kind K``, where K is ``unary``, ``client_streaming``, ``server_streaming`` or ``bidi``;
- ``request M`` and ``response M``, where M is the full name of a message;
- for each message, in the order in which they are first mentioned above and below: ``message M``, then its fields in
  the order of the native layout, a line each: ``N NAME TYPE``, where N is the field number, or ``0`` for a oneof.

TYPE is one of ``str bytes bool i32 u32 i64 u64 f32 f64 enum``; one of ``sint32 sint64 fixed32 fixed64 sfixed32
sfixed64``, whose native layout is that of an i32, i64, u32 or u64, but not their protobuf encoding; ``message M``;
``optional TYPE`` for a field that may be absent; ``required TYPE`` for one that must not, as proto2 has them;
``repeated TYPE``; ``map KEYTYPE TYPE``; or ``oneof``, which is followed by its choices in the order of their variants,
a line each: ``N NAME TYPE``. Enums have no name here: each is an open i32, so that a new member is no new layout. One
that is closed, as those of proto2 are, is ``closed enum`` and its numbers, sorted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import final

from eventflux_codegen.model import Cardinality, Field, Message, Value

__all__ = ["Fingerprints"]


@final
class Fingerprints:
    """Makes fingerprints from all messages by full name; the text of each message is made once."""

    __slots__ = ("_messages", "_texts")

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self._messages = messages
        self._texts: dict[str, tuple[str, tuple[str, ...]]] = {}

    def of(self, kind: str, request: str, response: str) -> int:
        """The fingerprint of a method, from its kind and its messages' full names."""
        text = self.canonical_text(kind, request, response)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def canonical_text(self, kind: str, request: str, response: str) -> str:
        """The text that is hashed."""
        texts = [f"kind {kind}\nrequest {request}\nresponse {response}\n"]
        pending = list(dict.fromkeys((request, response)))
        mentioned = set(pending)
        for name in pending:  # grows while it is walked
            text, inner = self._text_of(name)
            texts.append(text)
            for other in inner:
                if other not in mentioned:
                    mentioned.add(other)
                    pending.append(other)
        return "".join(texts)

    def _text_of(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The lines of one message, and the messages that they mention."""
        if name not in self._texts:
            found = list(_field_lines(self._messages[name]))
            text = "".join(f"{line}\n" for line in (f"message {name}", *(line for _, line in found)))
            inner = (value.full_name for value, _ in found if value is not None and value.is_message)
            self._texts[name] = text, tuple(dict.fromkeys(inner))
        return self._texts[name]


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
        case Cardinality.REQUIRED:
            return f"required {value}"
        case Cardinality.REPEATED:
            return f"repeated {value}"
        case Cardinality.MAP if field.key is not None:
            return f"map {_value_type(field.key)} {value}"
        case _:
            return value


def _value_type(value: Value) -> str:
    if value.is_message:
        return f"message {value.full_name}"
    if value.closed_numbers:
        return f"closed enum {' '.join(map(str, value.closed_numbers))}"
    return str(value.kind.value)
