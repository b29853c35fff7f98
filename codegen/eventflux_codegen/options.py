"""What the YAML beside the .proto files may say; every key of it is a field here, or in the options of an extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "ChoiceOptions",
    "Compression",
    "EnumOptions",
    "ErrorOptions",
    "FactoryOptions",
    "FieldOptions",
    "LayoutOptions",
    "MessageOptions",
    "MethodOptions",
    "OneofOptions",
    "Options",
    "PayloadOptions",
    "RetryOptions",
    "ServiceOptions",
    "StatusCode",
    "ValueOptions",
]


class Compression(Enum):
    """A compression of a method's messages."""

    NONE = "none"
    LZ4 = "lz4"
    SNAPPY = "snappy"
    ZSTD = "zstd"
    GZIP = "gzip"


class StatusCode(Enum):
    """The gRPC codes a call can fail with."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOptions:
    """How a value of an enum appears in Python."""

    name: str | None = None
    """The member's name; None: the IDL's without the prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumOptions:
    """How an enum appears in Python."""

    name: str | None = None
    """The class's name; None: the IDL's, flattened."""
    strip_prefix: str | None = None
    """What to take off the front of every value's name; None: the enum's own name in capitals, where all have it."""
    values: Mapping[str, ValueOptions] = field(default_factory=dict)
    """Options of values, by name in the IDL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOptions:
    """An error with a name and fields of its own, beside its status code."""

    code: StatusCode
    """The status code that it is sent with, for who does not know the error."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The types of its fields, by name: a scalar of proto3, an enum or a message, ``optional`` or ``repeated`` if need
    be."""
    doc: str | None = None
    """What it means; also the text of an error that is raised without one."""
    name: str | None = None
    """The class's name; None: that of the error in camel case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryOptions:
    """A class method that makes a message with some fields filled in."""

    arguments: tuple[str, ...] = ()
    """Fields that the caller gives, in order."""
    optional: tuple[str, ...] = ()
    """Fields that the caller may leave out, after those; only single scalars."""
    set: Mapping[str, str] = field(default_factory=dict)
    """Fields that the method fills in: an enum's member, a scalar, or ``uuid4`` for a fresh random UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutOptions:
    """A wire layout of some of the fields."""

    fields: tuple[str, ...]
    """The fields that the layout carries, in its order."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For enum fields: the members that can be carried, in the order of their variant indices from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadOptions:
    """A field that may be compressed. The message gets ``compress_payload`` and ``decompressed_payload``."""

    field: str
    """The field, of type bytes."""
    compression: str
    """The field whose enum names the compression: NONE, LZ4, SNAPPY, ZSTD, GZIP, or some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOptions:
    """How a field appears in Python."""

    name: str | None = None
    """The attribute's name; None: the IDL's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneofOptions:
    """How a oneof appears in Python."""

    name: str | None = None
    """The attribute's name; None: the IDL's."""
    union: str | None = None
    """The name of the union of its choices' classes; None: the message's, and the oneof's in camel case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOptions:
    """How a choice of a oneof appears in Python."""

    name: str | None = None
    """The class's name; None: the union's, and the field's in camel case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOptions:
    """How a message appears in Python and on the wire."""

    name: str | None = None
    """The class's name; None: the IDL's, flattened."""
    aliases: tuple[str, ...] = ()
    """Further names of the class."""
    fields: Mapping[str, FieldOptions] = field(default_factory=dict)
    """Options of fields, by name in the IDL."""
    oneofs: Mapping[str, OneofOptions] = field(default_factory=dict)
    """Options of oneofs, by name in the IDL."""
    choices: Mapping[str, ChoiceOptions] = field(default_factory=dict)
    """Options of the choices of oneofs, by the name of their field in the IDL."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of fields, for their docstrings."""
    factories: Mapping[str, FactoryOptions] = field(default_factory=dict)
    """Class methods that make a message, by name."""
    builders: Mapping[str, str] = field(default_factory=dict)
    """Methods that return a copy with one more entry, by name; the value is a map or repeated field."""
    layouts: Mapping[str, LayoutOptions] = field(default_factory=dict)
    """Wire layouts besides the native one, by name."""
    payload: PayloadOptions | None = None
    """A field that may be compressed; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions:
    """When a failed call of a method is tried again."""

    max_attempts: int | None = None
    """Attempts in all, the first included."""
    initial_backoff_s: float | None = None
    """Seconds before the second attempt, at most."""
    max_backoff_s: float | None = None
    """Seconds between two attempts, at most."""
    multiplier: float | None = None
    """How much longer each pause is than the one before."""
    codes: tuple[StatusCode, ...] | None = None
    """The codes worth another attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """How a method appears in Python, and how it is called."""

    name: str | None = None
    """The name of the method in Python; None: the IDL's in snake case."""
    timeout_s: float | None = None
    """Default deadline of a call, in seconds."""
    idempotent: bool = False
    """Whether a call may safely reach a handler more than once."""
    retry: RetryOptions | None = None
    """Its own retry policy; None: the channel's."""
    compression: Compression | None = None
    """The compression of its messages; None: the channel's."""
    errors: tuple[str, ...] | Mapping[str, ErrorOptions | None] = ()
    """What the method declares to fail with: status codes, and errors of the file. A mapping may declare errors too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How a service appears in Python."""

    name: str | None = None
    """What the client's and the service's class names start with; None: the IDL's name."""
    methods: Mapping[str, MethodOptions] = field(default_factory=dict)
    """Options of methods, by name in the IDL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The whole file. Paths are relative to it."""

    package: str
    """The Python package to generate."""
    protos: tuple[str, ...]
    """The .proto files, relative to an include directory: files, directories, and patterns such as ``v1/**/*.proto``.
    What they import is generated with them."""
    descriptor_set: str | None = None
    """A descriptor set to take the files from, as ``buf build -o`` and ``protoc --descriptor_set_out`` make them."""
    tree: bool = False
    """Whether each proto package becomes a Python package of its own below the one that is named, or at its own name
    where that begins with it."""
    output: str | None = None
    """The package's directory; None: one of its own name beside this file."""
    include: tuple[str, ...] = (".",)
    """Where .proto files and their imports are looked for."""
    lock: str | None = None
    """Where the wire facts are kept; None: beside this file, with the suffix .lock."""
    errors: Mapping[str, ErrorOptions] = field(default_factory=dict)
    """Errors that methods may name, by name, as ``NODE_FULL``."""
    extern: Mapping[str, str] = field(default_factory=dict)
    """What other packages have: by a proto package or a .proto file, the Python package that this generator made of it;
    by a .proto file, a module ``…_pb2`` with protobuf's classes of it."""
    error_domain: str | None = None
    """Who declares them, the same in each language; None: the proto package of the first service."""
    enums: Mapping[str, EnumOptions] = field(default_factory=dict)
    """Options of enums, by name in the IDL."""
    messages: Mapping[str, MessageOptions] = field(default_factory=dict)
    """Options of messages, by name in the IDL."""
    services: Mapping[str, ServiceOptions] = field(default_factory=dict)
    """Options of services, by name in the IDL."""
