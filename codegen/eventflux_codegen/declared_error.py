"""Builds the model of the errors that the options declare: where each stands, its class, its fields and their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eventflux_codegen.docstring import as_docstring
from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.error_model import DeclaredError, ErrorField
from eventflux_codegen.model import Enumeration, Message
from eventflux_codegen.names import ClassNames
from eventflux_codegen.naming import as_class, as_error, as_error_field
from eventflux_codegen.options import ErrorOptions, Options, StatusCode
from eventflux_codegen.schema import Schema
from eventflux_codegen.yaml_source import Places

__all__ = ["build_errors"]

_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
"""What ``google.rpc.ErrorInfo`` asks of a reason."""
_FIELD: Final = re.compile(r"[a-z][A-Za-z0-9_]{0,63}")
_SCALARS: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("str", '""'),
    "bytes": ("bytes", 'b""'),
    "bool": ("bool", "False"),
    **dict.fromkeys(("double", "float"), ("float", "0.0")),
    **dict.fromkeys(("int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64"), ("int", "0")),
    **dict.fromkeys(("uint32", "fixed32", "uint64", "fixed64"), ("int", "0")),
}
"""The Python type and the default of each scalar."""

_Path = tuple[str | int, ...]


def build_errors(
    schema: Schema,
    options: Options,
    places: Places,
    names: ClassNames,
    enums: Mapping[str, Enumeration],
    messages: Mapping[str, Message],
) -> dict[str, DeclaredError]:
    """Every declared error by its name in the options: those of the file, then those that stand at a method.

    Raises:
        GenerationError: a declaration is not what it should be, or there are two of one name.
    """
    found: dict[str, tuple[ErrorOptions, _Path]] = {}
    for name, own, path in _declared(options):
        earlier = found.setdefault(name, (own, path))
        if earlier[0] != own:
            raise GenerationError(
                f"{name} is declared otherwise here than at {places(*earlier[1])}: "
                "declare it once, below 'errors' of the file, and name it at the methods",
                places(*path),
            )
    domain = options.error_domain if options.error_domain is not None else _domain(schema, options)
    return {
        name: _Builder(name, own, path, places, schema, enums, messages).build(domain, names)
        for name, (own, path) in found.items()
    }


def _declared(options: Options) -> Iterator[tuple[str, ErrorOptions, _Path]]:
    for name, error in options.errors.items():
        yield name, error, ("errors", name)
    for service, own in options.services.items():
        for method, told in own.methods.items():
            if isinstance(told.errors, Mapping):
                for name, here in told.errors.items():
                    if here is not None:
                        yield name, here, ("services", service, "methods", method, "errors", name)


def _domain(schema: Schema, options: Options) -> str:
    """The proto package of the first service, which its clients in each language know; the Python package without."""
    packages = (service.package for service in schema.services.values())
    return next((package for package in packages if package), options.package)


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of one value of a field."""

    full_name: str
    annotation: str
    default: str
    value: str
    """The runtime's, as an expression."""
    imported: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Builder:
    reason: str
    options: ErrorOptions
    path: _Path
    places: Places
    schema: Schema
    enums: Mapping[str, Enumeration]
    messages: Mapping[str, Message]

    def build(self, domain: str, names: ClassNames) -> DeclaredError:
        """The whole error."""
        self._check_reason()
        fields: dict[str, ErrorField] = {}
        for name, type_text in self.options.fields.items():
            field = self._field(name, type_text)
            if field.attribute in fields:
                raise self._wrong(
                    f"{name} and {fields[field.attribute].name} would both be {field.attribute} in Python: rename one",
                    name,
                )
            fields[field.attribute] = field
        own, doc = self.options.name, self.options.doc or ""
        class_name = own if own is not None else as_class(as_error(self.reason))
        return DeclaredError(
            name=names.claim(class_name, f"the error {self.reason}", self.places(*self.path)),
            reason=self.reason,
            domain=domain,
            code=self.options.code.value,
            base=as_error(self.options.code.value),
            text=" ".join(doc.strip().split("\n\n")[0].split()) or self.reason,
            doc=as_docstring(doc, f"The error {self.reason}."),
            fields=tuple(fields.values()),
        )

    def _check_reason(self) -> None:
        if self.reason in StatusCode.__members__:
            raise self._wrong(f"{self.reason} is a status code: give the error a name of its own")
        if not _REASON.fullmatch(self.reason):
            raise self._wrong(
                f"an error cannot be named {self.reason!r}: take up to 63 capitals, digits and underscores, "
                "as in NODE_FULL"
            )

    def _field(self, name: str, type_text: str) -> ErrorField:
        if not _FIELD.fullmatch(name):
            raise self._wrong(
                f"a field cannot be named {name!r}: take up to 64 letters, digits and underscores, as in retry_in_s",
                name,
            )
        label, _, rest = type_text.partition(" ")
        type_name = rest.strip() if label in ("optional", "repeated") else type_text
        label = label if type_name != type_text else ""
        kind = self._type(name, type_name)
        attribute = as_error_field(name)
        annotation, default, assigned = kind.annotation, kind.default, attribute
        if label == "repeated":
            annotation, assigned = f"list[{annotation}]", f"list({attribute})"
            parameter = f"{attribute}: collections.abc.Iterable[{kind.annotation}] = ()"
        else:
            if label == "optional" or default == "None":
                annotation, default = f"{annotation} | None", "None"
            parameter = f"{attribute}: {annotation} = {default}"
        return ErrorField(
            name=name,
            attribute=attribute,
            annotation=annotation,
            parameter=parameter,
            assigned=assigned,
            value=kind.value,
            is_repeated=label == "repeated",
            type_text=f"{label} {kind.full_name}".strip(),
            imported=kind.imported,
        )

    def _type(self, field: str, name: str) -> _Type:
        if name in _SCALARS:
            return _Type(name, *_SCALARS[name], f'runtime.ScalarValue("{name}")')
        packages = dict.fromkeys(source.descriptor.package for source in self.schema.sources)
        for full_name in (name, *(f"{package}.{name}" for package in packages)):
            if full_name in self.enums:
                return self._enum(self.enums[full_name])
            if full_name in self.messages:
                message = self.messages[full_name]
                value = f"runtime.MessageValue({message.local})"
                return _Type(
                    full_name, message.local, "None", value, ((message.home, message.exported, message.local),)
                )
        if name.startswith("map"):
            raise self._wrong(f"{field} is a map, which no error can carry: take a message with a map in it", field)
        valid = (*_SCALARS, *(message.rpartition(".")[2] for message in (*self.enums, *self.messages)))
        raise self._wrong(f"{field} has the type {name!r}, which is none here: {nearest(name, valid)}", field)

    def _enum(self, enum: Enumeration) -> _Type:
        names: dict[int, str] = {}
        for member in self.schema.enums[enum.full_name].descriptor.value:
            names.setdefault(member.number, member.name)
        listed = ", ".join(f'{number}: "{name}"' for number, name in names.items())
        default = f"{enum.local}.{enum.members[0].name}"
        value = f"runtime.EnumValue({enum.local}, {{{listed}}})"
        return _Type(enum.full_name, enum.local, default, value, ((enum.home, enum.exported, enum.local),))

    def _wrong(self, message: str, field: str | None = None) -> GenerationError:
        path = self.path if field is None else (*self.path, "fields", field)
        return GenerationError(message, self.places(*path))
