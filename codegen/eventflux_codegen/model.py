"""What the templates see: every name, type, order and text of the generated package, decided.

The templates add nothing but Python's syntax. Everything here is frozen, and made by `build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from eventflux_codegen.naming import in_capitals
from eventflux_codegen.value_kind import Lines, Value, ValueKind, native_reader, protobuf_reader

__all__ = [
    "Builder",
    "Cardinality",
    "ClosedEnum",
    "Enumeration",
    "Factory",
    "Field",
    "Layout",
    "Lines",
    "Member",
    "Message",
    "Method",
    "Payload",
    "Service",
    "Value",
    "ValueKind",
    "Variant",
]


class Cardinality(Enum):
    """How many values a field holds."""

    SINGLE = "single"
    OPTIONAL = "optional"
    REQUIRED = "required"
    REPEATED = "repeated"
    MAP = "map"
    ONEOF = "oneof"


@dataclass(frozen=True, slots=True)
class Variant:
    """One choice of a oneof."""

    class_name: str
    local: str
    proto_name: str
    number: int
    index: int
    """The variant's number in the native layout."""
    value: Value
    slot: str
    doc: Lines
    json_name: str = ""
    """The name in JSON, where the IDL gives it one of its own."""
    is_redacted: bool = False
    """Whether the value is not shown."""
    deprecated: str = ""
    """What users are told, if the IDL calls it deprecated."""
    exported: str = ""
    """What the class is called in the module that has it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a message class."""

    name: str
    proto_name: str
    number: int
    """The field number; 0 for a oneof, which has several."""
    cardinality: Cardinality
    annotation: str
    default: str
    doc: Lines
    path: str
    """``Message.field``, as errors name it."""
    index: int
    """The position among the class's attributes."""
    slot: str
    """A suffix that keeps the field's local variables in generated functions apart from all others."""
    expects: str
    """What an encoder takes, for its error message."""
    value: Value | None = None
    """The type of the value, of the elements, or of a map's values; None for a oneof."""
    key: Value | None = None
    variants: tuple[Variant, ...] = ()
    union: str = ""
    """For a oneof: the name of the union of its classes."""
    union_local: str = ""
    union_exported: str = ""
    """What the union is called in the module that has it."""
    union_hidden_as: str = ""
    """Another name for the union, where the message has an attribute of its name."""
    is_packed: bool = False
    """Whether protobuf's encoding writes all elements as one record."""
    has_explicit_entries: bool = False
    """For a map: whether key and value of an entry are written even where they are the default, if they were given."""
    local_end: str = "_"
    """What tells its local variable from all others, and from the classes that a function refers to."""
    json_name: str = ""
    """The name in JSON, where the IDL gives it one of its own."""
    is_redacted: bool = False
    """Whether the value is not shown."""

    @property
    def local(self) -> str:
        """The local variable that holds the field's value; no other local ends with an underscore."""
        return f"{self.name}{self.local_end}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its field numbers: one, or those of a oneof's choices."""
        return tuple(variant.number for variant in self.variants) or (self.number,)


@dataclass(frozen=True, slots=True)
class ClosedEnum:
    """A field that a named layout writes as the index of a variant, with no room for other values."""

    enum: Value
    members: Lines
    """The members in the order of their variants."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A named wire layout of a message, besides the native one."""

    name: str
    snake: str
    fields: tuple[Field, ...]
    lacks: tuple[Field, ...]
    closed: Mapping[str, ClosedEnum]


@dataclass(frozen=True, slots=True)
class Factory:
    """A class method that builds a message with some fields set."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    """Names and annotations, with the default of one that may be left out."""
    assignments: tuple[tuple[str, str], ...]
    """Names and expressions, in the order of the fields."""
    doc: Lines


@dataclass(frozen=True, slots=True)
class Builder:
    """A method that returns a copy of the message with one more entry in a map or list."""

    name: str
    field: str
    key: str | None
    """The annotation of a map's key; None for a list."""
    value: str
    doc: Lines


@dataclass(frozen=True, slots=True)
class Payload:
    """A bytes field that may be compressed."""

    field: str
    stamp: str
    """The field that names the compression."""
    enum: str
    """The class of that field."""
    enum_spelled: str
    """What that is called within the message's class."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message class with its codec."""

    name: str
    local: str
    full_name: str
    snake: str
    pb_path: str
    """Protobuf's own class, as ``transport_pb2.TransportMessage``."""
    pb_place: str
    """Where that class is, as ``eventflux_transport.transport_pb2:TransportMessage``."""
    doc: Lines
    fields: tuple[Field, ...]
    """In the order of the IDL; oneofs stand where their first field does. The order of the class's attributes."""
    wire_fields: tuple[Field, ...]
    """In the order of the native layout: plain fields first, then oneofs."""
    layouts: tuple[Layout, ...]
    factories: tuple[Factory, ...]
    builders: tuple[Builder, ...]
    payload: Payload | None
    is_recursive: bool
    """Whether it can lie as deep as one likes, or holds a message that can: its functions count how deep they are."""
    is_embedded: bool
    """Whether some message has a field of this type."""
    codec_constant: str = ""
    """The constant of the methods' module that holds its codec."""
    hidden_enums: tuple[tuple[str, str], ...] = ()
    """Enums that an attribute of this class hides in it, and the names that they have there instead."""
    hidden_messages: tuple[tuple[str, str], ...] = ()
    """The same for messages and unions."""
    is_shared: bool = False
    """Whether the runtime has the class and its functions."""
    home: str = ""
    """The module that has the class, where that is none of the package's."""
    exported: str = ""
    """What it is called there."""
    is_public: bool = False
    """Whether the package has its functions for others."""
    deprecated: str = ""
    """What users are told, if the IDL calls it deprecated."""

    @property
    def is_foreign(self) -> bool:
        """Whether another generated package has the class."""
        return bool(self.home) and not self.is_shared

    @property
    def redacted(self) -> Lines:
        """The attributes whose values are not shown; a choice of a oneof hides its own."""
        return tuple(field.name for field in self.fields if field.is_redacted)

    @property
    def half_redacted(self) -> Lines:
        """The attributes for oneofs that have such a choice."""
        return tuple(field.name for field in self.oneofs if any(choice.is_redacted for choice in field.variants))

    @property
    def hides_messages(self) -> bool:
        """Whether a value that is not shown is a message, whose own errors would show it."""
        hidden = [field.value for field in self.fields if field.is_redacted]
        hidden += [choice.value for field in self.oneofs for choice in field.variants if choice.is_redacted]
        return any(value is not None and value.kind is ValueKind.MESSAGE for value in hidden)

    @property
    def reader(self) -> str:
        """The function that reads one within another message, in the native layout."""
        return native_reader(self.snake, is_public=self.is_public)

    @property
    def protobuf_reader(self) -> str:
        """The same in protobuf's encoding."""
        return protobuf_reader(self.snake, is_public=self.is_public)

    @property
    def layout_type(self) -> str:
        """The type of the names of its layouts besides the native one."""
        names = ", ".join(f'"{layout.name}"' for layout in self.layouts)
        return f"typing.Literal[{names}]" if names else "typing.Never"

    @property
    def oneofs(self) -> tuple[Field, ...]:
        """The fields that are unions."""
        return tuple(field for field in self.fields if field.cardinality is Cardinality.ONEOF)


@dataclass(frozen=True, slots=True)
class Member:
    """One value of an enum; a second name of an earlier number is an alias."""

    name: str
    proto_name: str
    number: int
    doc: Lines
    plain_name: str = ""
    """The IDL's name without the prefix that all values of the enum have."""


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One enum class."""

    name: str
    local: str
    full_name: str
    snake: str
    doc: Lines
    members: tuple[Member, ...]
    is_closed: bool = False
    """Whether a number without a name is no value of it."""

    @property
    def is_foreign(self) -> bool:
        """Whether another generated package has the class."""
        return bool(self.home) and not self.is_shared

    @property
    def table(self) -> str:
        """The constant of the codecs that has its members by number."""
        return f"_{in_capitals(self.snake)}"

    is_shared: bool = False
    """Whether the runtime has the class."""
    home: str = ""
    """The module that has the class, where that is none of the package's."""
    exported: str = ""
    """What it is called there."""
    deprecated: str = ""
    """What users are told, if the IDL calls it deprecated."""

    @property
    def dense_members(self) -> int:
        """How many members there are, if their numbers count up from 0 without a gap; otherwise 0."""
        if self.is_foreign:  # which may have other members than the IDL here
            return 0
        numbers = {member.number for member in self.members}
        return len(numbers) if numbers == set(range(len(numbers))) else 0


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service."""

    name: str
    """The Python method."""
    proto_name: str
    constant: str
    kind: str
    """A member of the runtime's MethodKind, in lower case."""
    request: Message
    response: Message
    fingerprint: int
    arguments: tuple[tuple[str, str], ...]
    """Further keyword arguments of the runtime's Method, where they differ from its defaults."""
    doc: Lines
    raises: tuple[tuple[str, str], ...]
    """Exceptions and what they mean here."""
    errors: Lines = ()
    """The same by their names in the options: status codes and declared errors."""
    deprecated: str = ""
    """What users are told, if the IDL calls it deprecated."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: a client class, one that blocks, and an abstract service class."""

    full_name: str
    client: str
    blocking_client: str
    service: str
    pb_place: str
    """Where protobuf's descriptor of its file is, as ``eventflux_transport.transport_pb2:DESCRIPTOR``."""
    doc: Lines
    methods: tuple[Method, ...]
    deprecated: str = ""
    """What users are told, if the IDL calls it deprecated."""
