"""What a single value is in the model of a package: its kind, its types in Python, and the functions of a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["Lines", "Value", "ValueKind", "native_reader", "protobuf_reader"]

Lines = tuple[str, ...]
"""The text of a docstring: a summary, and perhaps an empty line and more."""


class ValueKind(Enum):
    """How one value is encoded, or that it is an enum or a message; `kind.KINDS` has what follows of it.

    Several kinds may be alike in bincode, and differ in protobuf's encoding.
    """

    STR = "str"
    BYTES = "bytes"
    BOOL = "bool"
    I32 = "i32"
    SINT32 = "sint32"
    SFIXED32 = "sfixed32"
    U32 = "u32"
    FIXED32 = "fixed32"
    I64 = "i64"
    SINT64 = "sint64"
    SFIXED64 = "sfixed64"
    U64 = "u64"
    FIXED64 = "fixed64"
    F32 = "f32"
    F64 = "f64"
    ENUM = "enum"
    MESSAGE = "message"
    STRUCT = "struct"
    LIST_VALUE = "list value"
    VALUE = "value"


_MESSAGES: Final = frozenset({ValueKind.MESSAGE, ValueKind.STRUCT, ValueKind.LIST_VALUE, ValueKind.VALUE})


@dataclass(frozen=True, slots=True)
class Value:
    """The type of one value: a scalar, an enum, or a message."""

    kind: ValueKind
    annotation: str
    """The Python type where the classes are defined: ``str``, ``MessageType``, ``EventFilter``."""
    local: str
    """The same where they are imported; another name only if that module needs the name itself."""
    default: str
    """The Python expression of proto3's default."""
    snake: str = ""
    """For an enum or a message: the stem of its functions, as ``event_filter``."""
    dense_members: int = 0
    """For an enum whose numbers count up from 0 without a gap: how many there are."""
    is_recursive: bool = False
    """For a message: whether its functions count how deep they are."""
    min_bytes: int = 0
    """The least bytes that one value takes in the native layout; 0 only for a message without fields."""
    full_name: str = ""
    """For an enum or a message: its name in the IDL; so for a message that is a plain value here, as a wrapper is."""
    closed_numbers: tuple[int, ...] = ()
    """For an enum that takes no other numbers: those that it takes, sorted."""
    hidden_as: str = ""
    """Another name for the class, where the message that holds the value has an attribute of its name."""
    is_shared: bool = False
    """Whether another package has the class and its functions."""
    is_public: bool = False
    """Whether its own package has the functions for others."""

    @property
    def spelled(self) -> str:
        """The Python type within the class of a message that holds the value."""
        return self.hidden_as or self.annotation

    @property
    def is_message(self) -> bool:
        """Whether it is a message by itself in protobuf's encoding."""
        return bool(self.full_name) and self.kind is not ValueKind.ENUM

    @property
    def is_wrapped(self) -> bool:
        """Whether it is a scalar that lies in a message of its own in protobuf's encoding."""
        return self.is_message and self.kind not in _MESSAGES

    @property
    def is_class(self) -> bool:
        """Whether it is a class of the runtime."""
        return self.is_shared and self.kind is ValueKind.MESSAGE

    @property
    def held(self) -> str:
        """The type of a local of an encoder that holds it: a class is checked before it is believed."""
        return "object" if self.kind in _MESSAGES else self.local

    @property
    def absent(self) -> str:
        """What stands for it where it is absent: None is a value of JSON."""
        return "UNSET" if self.kind is ValueKind.VALUE else "None"

    @property
    def empty(self) -> str:
        """A message without content, where the class is imported."""
        match self.kind:
            case ValueKind.VALUE:
                return "None"
            case ValueKind.STRUCT:
                return "{}"
            case ValueKind.LIST_VALUE:
                return "[]"
            case _:
                return self.default if self.is_wrapped else f"{self.local}()"

    @property
    def optional_local(self) -> str:
        """The type of a local of a decoder that holds it or nothing."""
        return self.local if self.kind is ValueKind.VALUE else f"{self.local} | None"

    @property
    def writer(self) -> str:
        """The function that writes a message in the native layout."""
        if self.is_shared:
            return f"write_{self.snake}"
        return f"_write_{self.snake}" if self.is_recursive else f"encode_{self.snake}"

    @property
    def reader(self) -> str:
        """The function that reads a message in the native layout."""
        return native_reader(self.snake, is_public=self.is_shared or self.is_public)

    @property
    def protobuf_writer(self) -> str:
        """The function that writes a message in protobuf's encoding."""
        if self.is_shared:
            return f"write_{self.snake}_protobuf"
        return f"_write_{self.snake}" if self.is_recursive else f"encode_{self.snake}_protobuf"

    @property
    def protobuf_reader(self) -> str:
        """The function that reads a message in protobuf's encoding."""
        return protobuf_reader(self.snake, is_public=self.is_shared or self.is_public)


def native_reader(snake: str, *, is_public: bool) -> str:
    """The function that reads a message within another one in the native layout."""
    return f"read_{snake}" if is_public else f"_read_{snake}"


def protobuf_reader(snake: str, *, is_public: bool) -> str:
    """The same in protobuf's encoding."""
    return f"read_{snake}_protobuf" if is_public else f"_read_{snake}"
