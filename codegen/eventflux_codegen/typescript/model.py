"""What the templates of TypeScript see: every name, type, order and text, decided."""

from __future__ import annotations

from dataclasses import dataclass

from eventflux_codegen.model import Lines

__all__ = ["Enumeration", "ErrorClass", "ErrorProperty", "Folder", "Member", "Message", "Method", "Property", "Service"]


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a message's interface."""

    name: str
    types: Lines
    """Its type; several are a union, each on a line of its own."""
    init_types: Lines
    """What an init object may give for it."""
    is_optional: bool
    doc: Lines


@dataclass(frozen=True, slots=True)
class Message:
    """One message: an interface, that of its init objects, and the constant that makes, writes and reads it."""

    name: str
    init: str
    full_name: str
    doc: Lines
    properties: tuple[Property, ...]
    """In the order of the IDL."""
    rows: Lines
    """In the order of the native layout."""


@dataclass(frozen=True, slots=True)
class Member:
    """One value of an enum."""

    name: str
    number: int
    doc: Lines


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One enum: a constant object, and the type of its numbers."""

    name: str
    doc: Lines
    members: tuple[Member, ...]
    is_closed: bool


@dataclass(frozen=True, slots=True)
class ErrorProperty:
    """One field of a declared error."""

    name: str
    type: str
    row: str
    imported: str
    """The enum that it needs; empty for other types."""


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """One error that the options declare."""

    name: str
    reason: str
    domain: str
    code: str
    """The member of the runtime's `Code`."""
    doc: Lines
    properties: tuple[ErrorProperty, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a client."""

    name: str
    proto_name: str
    kind: str
    """As the runtime's `MethodKind` has it."""
    call: str
    """The function of the runtime that makes the call."""
    request: str
    """The type of what is requested, or of the stream of that."""
    parameter: str
    """What that is called."""
    init: str
    """What one request may be made of."""
    response: str
    input_type: str
    output_type: str
    """The types of its messages."""
    input: str
    output: str
    """The constants of its messages."""
    fingerprint: int
    settings: tuple[tuple[str, str], ...]
    """What else the row of the method says."""
    errors: Lines
    """The classes of the errors that it declares."""
    doc: Lines


@dataclass(frozen=True, slots=True)
class Service:
    """One service: a constant with its methods, and a client."""

    name: str
    client: str
    full_name: str
    doc: Lines
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """The modules of one package."""

    path: str
    """Below the output, with a slash behind it; empty for that itself."""
    sources: Lines
    runtime: str
    """What its modules import as their runtime."""
    imports: tuple[tuple[str, str], ...]
    """The modules of messages of other folders, and the names that they are imported under."""
    messages: tuple[Message, ...]
    enums: tuple[Enumeration, ...]
    errors: tuple[ErrorClass, ...]
    services: tuple[Service, ...]
    folders: tuple[tuple[str, str], ...] = ()
    """For the first level of a tree: the other folders, and the names that they are exported under."""

    @property
    def method_errors(self) -> Lines:
        """The errors that methods declare, sorted."""
        return tuple(sorted({error for method in self._methods for error in method.errors}))

    @property
    def method_values(self) -> Lines:
        """The messages of this folder that methods exchange, sorted."""
        return tuple(sorted({name for each in self._methods for name in (each.input, each.output) if "." not in name}))

    @property
    def method_types(self) -> Lines:
        """The types of this folder that methods need beside those, sorted."""
        own = {message.init for message in self.messages}
        return tuple(sorted({each.init for each in self._methods} & own))

    @property
    def error_types(self) -> Lines:
        """The enums of this folder that errors need, sorted."""
        found = {each.imported for error in self.errors for each in error.properties}
        return tuple(sorted(name for name in found if name and "." not in name))

    @property
    def _methods(self) -> tuple[Method, ...]:
        return tuple(method for service in self.services for method in service.methods)

    def imports_in(self, text: str) -> tuple[tuple[str, str], ...]:
        """The imports that a text needs."""
        return tuple((path, alias) for path, alias in self.imports if f"{alias}." in text)
