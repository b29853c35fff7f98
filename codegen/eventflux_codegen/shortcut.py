"""Builds the factories and builders that the options declare."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Final

from eventflux_codegen.error import GenerationError, nearest
from eventflux_codegen.model import Builder, Cardinality, Enumeration, Factory, Field, Payload, ValueKind
from eventflux_codegen.options import Compression, MessageOptions
from eventflux_codegen.yaml_source import Places

__all__ = ["build_builders", "build_factories", "build_payload"]

_FRESH_UUID: Final = "uuid4"
_PAYLOAD_METHODS: Final = ("compress_payload", "decompressed_payload")
_METHODS: Final = frozenset({"to_wire", "from_wire", "to_proto", "from_proto", "to_json", "from_json"})


def build_factories(
    options: MessageOptions,
    class_name: str,
    fields: Mapping[str, Field],
    enums: Mapping[str, Enumeration],
    places: Places,
    *path: str,
) -> tuple[Factory, ...]:
    """The class methods of one message.

    Raises:
        GenerationError: a field or member does not exist, or a value does not fit its field.
    """
    factories = []
    for name, own in options.factories.items():
        where = (*path, "factories", name)
        _check_name(name, fields, places, *where)
        assignments = {}
        parameters = []
        for index, argument in enumerate(own.arguments):
            field = _known(argument, fields, places, *where, "arguments", index)
            assignments[field.name] = field.name
            parameters.append((field.name, field.annotation))
        for index, argument in enumerate(own.optional):
            field = _known(argument, fields, places, *where, "optional", index)
            is_scalar = field.cardinality is Cardinality.SINGLE and field.value is not None
            if field.name in assignments or not is_scalar:
                reason = "is an argument already" if field.name in assignments else "is not a single scalar"
                raise GenerationError(f"{argument} {reason}: drop it here", places(*where, "optional", index))
            assignments[field.name] = field.name
            parameters.append((field.name, f"{field.annotation} = {field.default}"))
        for argument, text in own.set.items():
            field = _known(argument, fields, places, *where, "set", argument)
            if field.name in assignments:
                raise GenerationError(f"{argument} is an argument already: drop one", places(*where, "set", argument))
            assignments[field.name] = _expression(text, field, enums, places, *where, "set", argument)
        made = f"a {class_name}" if class_name[0] not in "AEIOU" else f"an {class_name}"
        factories.append(Factory(name, tuple(parameters), tuple(assignments.items()), _factory_doc(made, own.set)))
    return tuple(factories)


def build_builders(
    options: MessageOptions, fields: Mapping[str, Field], places: Places, *path: str
) -> tuple[Builder, ...]:
    """The copying methods of one message.

    Raises:
        GenerationError: a field does not exist, or is neither a map nor repeated.
    """
    builders = []
    for name, target in options.builders.items():
        where = (*path, "builders", name)
        _check_name(name, fields, places, *where)
        if name in options.factories:
            raise GenerationError(f"{name!r} is a factory already: choose another name", places(*where))
        field = _known(target, fields, places, *where)
        if field.value is None or field.cardinality not in (Cardinality.MAP, Cardinality.REPEATED):
            raise GenerationError(
                f"{target} is neither a map nor repeated: only those have entries to add", places(*where)
            )
        key = field.key.annotation if field.key is not None else None
        entry = f"``{field.name}[key]`` set" if key is not None else f"one more element in ``{field.name}``"
        doc = (f"A copy of this message with {entry}; this one stays as it is.",)
        builders.append(Builder(name, field.name, key, field.value.spelled, doc))
    return tuple(builders)


def build_payload(
    options: MessageOptions, fields: Mapping[str, Field], enums: Mapping[str, Enumeration], places: Places, *path: str
) -> Payload | None:
    """The field of a message that may be compressed.

    Raises:
        GenerationError: a field does not exist or has the wrong type, or a method's name is taken.
    """
    own = options.payload
    if own is None:
        return None
    where = (*path, "payload")
    for name in _PAYLOAD_METHODS:
        _check_name(name, fields, places, *where)
        if name in options.builders or name in options.factories:
            raise GenerationError(f"{name!r} is the name of a method for the payload: choose another", places(*where))
    payload = _known(own.field, fields, places, *where, "field")
    if payload.cardinality is not Cardinality.SINGLE or payload.value is None or payload.value.annotation != "bytes":
        raise GenerationError(f"{own.field} is not one field of type bytes", places(*where, "field"))
    stamp = _known(own.compression, fields, places, *where, "compression")
    if stamp.cardinality is not Cardinality.SINGLE or stamp.value is None or stamp.value.kind is not ValueKind.ENUM:
        raise GenerationError(f"{own.compression} is not one field of an enum", places(*where, "compression"))
    name = stamp.value.annotation
    members = {member.name for member in enums[name].members}
    unknown = sorted(members - {compression.name for compression in Compression})
    if unknown or "NONE" not in members:
        fault = f"{', '.join(unknown)} not among them" if unknown else "NONE is missing"
        raise GenerationError(
            f"{name} has to name compressions, NONE and others of LZ4, SNAPPY, ZSTD and GZIP: {fault}",
            places(*where, "compression"),
        )
    return Payload(payload.name, stamp.name, name, stamp.value.spelled)


def _check_name(name: str, fields: Mapping[str, Field], places: Places, *path: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise GenerationError(f"{name!r} is not a name that Python takes: choose another", places(*path))
    if name in _METHODS or any(field.name == name for field in fields.values()):
        raise GenerationError(f"{name!r} is taken by a field or method of the message: choose another", places(*path))


def _known(name: str, fields: Mapping[str, Field], places: Places, *path: str | int) -> Field:
    if name not in fields:
        raise GenerationError(f"no field is named {name!r}: {nearest(name, fields)}", places(*path))
    return fields[name]


def _factory_doc(made: str, values: Mapping[str, str]) -> tuple[str, ...]:
    parts = [f"a fresh UUID as {name}" if text == _FRESH_UUID else f"{name} {text}" for name, text in values.items()]
    return (f"Makes {made} with {' and '.join(parts)}." if parts else f"Makes {made}.",)


def _expression(text: str, field: Field, enums: Mapping[str, Enumeration], places: Places, *path: str) -> str:
    value = field.value
    if value is None or field.cardinality not in (Cardinality.SINGLE, Cardinality.OPTIONAL):
        raise GenerationError(f"{field.proto_name} holds no single value, so it cannot be set here", places(*path))
    if value.kind is ValueKind.ENUM:
        members = {member.name for member in enums[value.annotation].members}
        if text not in members:
            raise GenerationError(f"{value.annotation} has no member {text!r}: {nearest(text, members)}", places(*path))
        return f"{value.annotation}.{text}"
    if value.kind is ValueKind.STR:
        return "str(uuid.uuid4())" if text == _FRESH_UUID else repr(text)
    if value.kind is ValueKind.BOOL and text in ("true", "false"):
        return text.capitalize()
    try:
        if value.annotation in ("int", "float"):
            return repr(int(text) if value.annotation == "int" else float(text))
    except ValueError:
        pass
    raise GenerationError(f"{text!r} is no value for {field.proto_name}, which takes {field.expects}", places(*path))
